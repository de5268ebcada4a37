//! One file over HTTP: bounded, resumed where it broke off, hashed while it comes.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE},
};
use serde::{Deserialize, Serialize};

use super::{digest::Hasher, error::chain, store};
use crate::event::StepEvents;

const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence of a server.
const IDLE: Duration = Duration::from_secs(30);
/// The longest download, however steadily it trickles.
const WHOLE: Duration = Duration::from_mins(30);
/// How often a connection that broke off is taken up again.
const TRIES: u32 = 4;

/// A file that is on its way.
struct Part<'a> {
    url: &'a str,
    path: &'a Path,
    events: &'a StepEvents,
}

/// Which version of the file the part belongs to; kept beside it.
#[derive(Serialize, Deserialize)]
struct Label {
    url: String,
    /// What `If-Range` may be asked with: a strong `ETag`, else the date.
    validator: Option<String>,
}

/// How one request ended when it did not fail.
enum Step {
    Done,
    /// The connection broke, or the part proved useless: ask again.
    Again(String),
}

/// Downloads to `path`, by way of the part. Returns the SHA-256; the error is one line for the list of places.
pub(super) async fn download(url: &str, part: &Path, events: &StepEvents) -> Result<String, String> {
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(IDLE)
        .user_agent(concat!("provision/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| chain(&e))?;
    let part = Part { url, path: part, events };
    let bounded = tokio::time::timeout(WHOLE, part.complete(&client)).await;
    bounded.map_err(|_| format!("not complete after {} minutes", WHOLE.as_secs() / 60))?
}

impl Part<'_> {
    async fn complete(&self, client: &Client) -> Result<String, String> {
        let mut last = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
            match self.step(client).await? {
                Step::Done => return self.finish(),
                Step::Again(reason) => last = reason,
            }
        }
        Err(last)
    }

    async fn step(&self, client: &Client) -> Result<Step, String> {
        let (have, validator) = self.resumable();
        let mut request = client.get(self.url);
        if let Some(validator) = &validator {
            request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, validator);
        }
        let response = request.send().await.map_err(|e| chain(&e.without_url()))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(response.headers(), have) => {
                self.receive(response, have).await
            }
            StatusCode::OK => {
                self.relabel(response.headers()).map_err(|e| e.to_string())?;
                self.receive(response, 0).await
            }
            StatusCode::RANGE_NOT_SATISFIABLE if ends_at(response.headers(), have) => Ok(Step::Done),
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
                self.discard();
                Ok(Step::Again("the server does not know the range it was asked for".to_owned()))
            }
            status => Err(format!("HTTP {status}")),
        }
    }

    async fn receive(&self, mut response: Response, from: u64) -> Result<Step, String> {
        let say = |e: io::Error| format!("{}: {e}", self.path.display());
        let total = response.content_length().map(|rest| from + rest);
        let mut file = File::options().create(true).append(true).open(self.path).map_err(say)?;
        file.set_len(from).map_err(say)?;
        let mut done = from;
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    file.write_all(&bytes).map_err(say)?;
                    done += bytes.len() as u64;
                    self.events.progress("bytes", done, total);
                }
                Ok(None) if total.is_none_or(|total| total == done) => return Ok(Step::Done),
                Ok(None) => return Ok(Step::Again(format!("broke off after {done} bytes"))),
                Err(error) => {
                    let reason = chain(&error.without_url());
                    return Ok(Step::Again(format!("broke off after {done} bytes: {reason}")));
                }
            }
        }
    }

    /// How much of the file is there, and what to ask for the rest with. A part without a label is worth nothing:
    /// nobody could say whether the rest belongs to it.
    fn resumable(&self) -> (u64, Option<String>) {
        let have = fs::metadata(self.path).map_or(0, |metadata| metadata.len());
        let label = fs::read(self.label()).ok().and_then(|text| serde_json::from_slice::<Label>(&text).ok());
        match label {
            Some(Label { url, validator: Some(validator) }) if have > 0 && url == self.url => {
                (have, Some(validator))
            }
            _ => (0, None),
        }
    }

    fn relabel(&self, headers: &HeaderMap) -> io::Result<()> {
        self.discard();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // A weak tag may not be asked with (RFC 9110, 13.1.5).
        let validator = text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED));
        let label = Label { url: self.url.to_owned(), validator: validator.map(str::to_owned) };
        store::write(&self.label(), &serde_json::to_string(&label)?)
    }

    fn label(&self) -> PathBuf {
        self.path.with_extension("part.json")
    }

    fn discard(&self) {
        let _ = fs::remove_file(self.path);
        let _ = fs::remove_file(self.label());
    }

    /// The whole file is hashed as it lies on the disk: that is what will be used.
    fn finish(&self) -> Result<String, String> {
        let mut hasher = Hasher::default();
        File::open(self.path)
            .and_then(|mut file| io::copy(&mut file, &mut hasher))
            .map_err(|e| format!("{}: {e}", self.path.display()))?;
        let _ = fs::remove_file(self.label());
        Ok(hasher.hex())
    }
}

/// `Content-Range: bytes 100-199/200` starts at 100.
fn starts_at(headers: &HeaderMap, offset: u64) -> bool {
    range(headers).and_then(|range| range.split('-').next()?.parse().ok()) == Some(offset)
}

/// `Content-Range: bytes */200` ends at 200.
fn ends_at(headers: &HeaderMap, size: u64) -> bool {
    range(headers).and_then(|range| range.strip_prefix("*/")?.parse().ok()) == Some(size)
}

fn range(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")
}
