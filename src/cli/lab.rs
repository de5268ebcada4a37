//! `provision lab`: simulated hosts on this machine.

use std::{os::unix::process::CommandExt, path::Path, process::Command};

use futures_util::future::join_all;
use miette::miette;

use super::{
    args::{Lab as Args, LabUp, LabVerb, Os},
    exit::{Exit, Failure},
};
use crate::{
    cache_dir::CacheDir,
    lab::{self, Guest, Lab, LabSpec, Power, Source},
    report,
};

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    lab::check_name(&args.name)?;
    lab::privileges()?;
    let labs = args.folder.map_or_else(lab::default_folder, Ok)?;
    let folder = labs.join(&args.name);
    match args.verb {
        LabVerb::Up(up) => self::up(&folder, args.name, up).await,
        LabVerb::List => list(&labs).await,
        verb => dispatch(Lab::open(&folder)?, verb).await,
    }
}

async fn up(folder: &Path, name: String, args: LabUp) -> Result<Exit, Failure> {
    let image = match (args.rootfs, args.os) {
        (Some(path), _) if path.is_dir() => Some(Source::Folder(path)),
        (Some(path), _) => Some(Source::Tarball(path)),
        (None, Some(Os::Debian)) => Some(Source::Debian),
        (None, Some(Os::Rocky9)) => Some(Source::Rocky9),
        (None, None) => None,
    };
    let cache = CacheDir::of_user()?.lab();
    let spec = LabSpec { name, hosts: args.hosts, subnet: args.subnet, image, cache };
    lab::prerequisites(folder, &spec, args.install).await?;
    let began = std::time::Instant::now();
    report::note(&format!(
        "lab {}: bringing it up; the first time its image is made, which takes minutes",
        spec.name
    ));
    let lab = Lab::up(folder, &spec).await?;
    report::result(&format!("{}: up in {:.1}s", title(&lab), began.elapsed().as_secs_f64()));
    for guest in lab.guests() {
        report::result(&format!("  {:<5} {}", guest.name, guest.address));
    }
    report::result(&format!("next: provision apply {}", lab.reference()));
    Ok(Exit::Done)
}

/// Every answer of these verbs begins with what a lab is.
fn title(lab: &Lab) -> String {
    let hosts = lab.guests().len();
    format!("lab {}: {hosts} simulated hosts on this machine ({})", lab.name(), lab.subnet())
}

async fn list(folder: &Path) -> Result<Exit, Failure> {
    let labs = Lab::all(folder);
    if labs.is_empty() {
        report::result(&format!("no lab in {}; `provision lab up` makes one", folder.display()));
    }
    for lab in &labs {
        report::result(&title(lab));
        for (guest, power) in
            lab.guests().iter().zip(join_all(lab.guests().iter().map(|g| lab.power(g))).await)
        {
            let power = match power {
                Power::On => "running",
                Power::Frozen => "frozen",
                Power::Off => "off",
            };
            report::result(&format!("  {:<5} {:<15} {power}", guest.name, guest.address));
        }
        for cut in lab.cuts() {
            let groups: Vec<String> = cut.groups.iter().map(|group| group.join(",")).collect();
            report::result(&format!("  cut: {}", groups.join(" | ")));
        }
    }
    Ok(Exit::Done)
}

async fn dispatch(mut lab: Lab, verb: LabVerb) -> Result<Exit, Failure> {
    let title = title(&lab);
    match verb {
        LabVerb::Up(_) | LabVerb::List => {}
        LabVerb::Down => {
            lab.down().await?;
            report::result(&format!("{title}: gone"));
        }
        LabVerb::Ssh { host, command } => {
            let words = lab.ssh(lab.guest(&host)?);
            return exec_replace(words.into_iter().chain(command));
        }
        LabVerb::Exec { hosts, command } => return exec(&lab, &hosts, &command).await,
        LabVerb::Pause { hosts } => {
            for guest in chosen(&lab, &hosts)? {
                lab.pause(&guest).await?;
                report::result(&format!("{title}: {} is frozen", guest.name));
            }
        }
        LabVerb::Resume { hosts } => {
            for guest in chosen(&lab, &hosts)? {
                lab.resume(&guest).await?;
                report::result(&format!("{title}: {} goes on", guest.name));
            }
        }
        LabVerb::Kill { hosts } => {
            for guest in chosen(&lab, &hosts)? {
                lab.kill(&guest).await?;
                report::result(&format!("{title}: {} has no power", guest.name));
            }
        }
        LabVerb::Start { hosts } => {
            for guest in chosen(&lab, &hosts)? {
                lab.start(&guest).await?;
                report::result(&format!("{title}: {} is up", guest.name));
            }
        }
        LabVerb::Cut { groups } => {
            let words = |group: &str| group.split(',').map(|name| name.trim().into()).collect();
            lab.cut(groups.split('|').map(words).collect()).await?;
            report::result(&format!("{title}: cut {groups}"));
        }
        LabVerb::Heal => {
            lab.heal().await?;
            report::result(&format!("{title}: all reach each other"));
        }
    }
    Ok(Exit::Done)
}

/// `n1,n3`, or `all`.
fn chosen(lab: &Lab, words: &str) -> Result<Vec<Guest>, Failure> {
    if words == "all" {
        return Ok(lab.guests().to_vec());
    }
    Ok(words.split(',').map(|name| lab.guest(name.trim()).cloned()).collect::<Result<_, _>>()?)
}

/// In one host the command has our place; in several they run one after the other, each under its name.
async fn exec(lab: &Lab, hosts: &str, command: &[String]) -> Result<Exit, Failure> {
    let guests = chosen(lab, hosts)?;
    if let [guest] = &guests[..] {
        return exec_replace(lab.enter(guest, command).await?.into_iter());
    }
    let mut exit = Exit::Done;
    for guest in &guests {
        let words = lab.enter(guest, command).await?;
        report::note(&format!("{}:", guest.name));
        let ended = prepared(words.into_iter()).status();
        exit = if ended.is_ok_and(|status| status.success()) { exit } else { Exit::Failed };
    }
    Ok(exit)
}

/// Puts another program in our place: its terminal, signals and exit code are the user's.
fn exec_replace(words: impl Iterator<Item = String>) -> Result<Exit, Failure> {
    let error = prepared(words).exec();
    let help = "`provision lab up --install` installs what a lab needs";
    Err(Failure { report: miette!(help = help, "it could not be run: {error}"), exit: Exit::Failed })
}

fn prepared(mut words: impl Iterator<Item = String>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the user's own command, on the user's own terminal")]
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}
