//! A run as one page that can be kept or sent: where the time went, and the evidence.

use serde_json::{Value, json};
use tera::{Context, Tera};

use crate::{cluster::Evidence, event::Event, inventory::Fleet};

const TEMPLATE: &str = include_str!("../../templates/report.html");

/// The page of one run; `evidence` is absent where the run did not get as far as the proof.
pub fn html(fleet: &Fleet, events: &[Event], evidence: Option<&Evidence>) -> Result<String, tera::Error> {
    let proven = evidence.is_some_and(Evidence::holds);
    let mut tera = Tera::default();
    // The suffix makes Tera escape what is filled in.
    tera.add_raw_template("report.html", TEMPLATE)?;
    let context = json!({
        "cluster": fleet.name, "environment": fleet.environment.to_string(), "engine": fleet.engine, "version": fleet.version.to_string(),
        "nodes": fleet.nodes().count(), "replicas": fleet.replicas,
        "provision": env!("CARGO_PKG_VERSION"), "at": jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        "verdict": if proven { "replication is proven" } else { "not proven" },
        "class": if proven { "holds" } else { "broken" },
        "steps": steps(events), "waits": waits(events), "notices": notices(events),
        "invariants": evidence.map_or(&[][..], |evidence| &evidence.invariants),
    });
    tera.render("report.html", &Context::from_serialize(&context)?)
}

fn steps(events: &[Event]) -> Vec<Value> {
    let longest = events.iter().map(|event| match event {
        Event::StepFinished { host: None, took_ms, .. } => *took_ms,
        _ => 0,
    });
    let longest = longest.max().unwrap_or(0).max(1);
    let step = |event: &Event| match event {
        Event::StepFinished { step, host: None, changed, took_ms } => {
            Some(json!({ "name": step, "changed": changed, "ms": took_ms, "share": took_ms * 100 / longest }))
        }
        Event::StepFailed { step, error, .. } => {
            Some(json!({ "name": step, "changed": format!("failed: {error}"), "ms": "", "share": 0 }))
        }
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

fn waits(events: &[Event]) -> Vec<Value> {
    let wait = |event: &Event| match event {
        Event::Waited { what, took_ms, floor_ms, .. } => {
            let floor = floor_ms.map_or_else(String::new, |floor| floor.to_string());
            Some(json!({ "what": what, "ms": took_ms, "floor": floor }))
        }
        _ => None,
    };
    events.iter().filter_map(wait).collect()
}

fn notices(events: &[Event]) -> Vec<&str> {
    let mut notices = Vec::new();
    for event in events {
        if let Event::Notice { text, .. } = event {
            notices.push(text.as_str());
        }
    }
    notices
}
