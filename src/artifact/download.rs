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

use super::{error::chain, store};
use crate::{digest::Hasher, event::StepEvents};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence of a server.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest download, however steadily it comes.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_mins(30);
/// Before a second request; twice as long before each further one.
const RETRY_INTERVAL: Duration = Duration::from_millis(400);
/// Requests for one file, where connections break off.
const ATTEMPTS: u32 = 4;

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
    /// A strong `ETag`, else the date; `None` where the server says neither.
    validator: Option<String>,
}

/// How one request ended when it did not fail.
enum Step {
    Done,
    /// The connection broke, or the part proved useless: ask again.
    Again(String),
}

/// Downloads to `part`, which a later call resumes. Returns the SHA-256; the error is one line for the list
/// of places.
pub(super) async fn download(url: &str, part: &Path, events: &StepEvents) -> Result<String, String> {
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("provision/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| chain(&e))?;
    let part = Part { url, path: part, events };
    let bounded = tokio::time::timeout(DOWNLOAD_TIMEOUT, part.complete(&client)).await;
    bounded.map_err(|_| format!("not complete after {} minutes", DOWNLOAD_TIMEOUT.as_secs() / 60))?
}

impl Part<'_> {
    async fn complete(&self, client: &Client) -> Result<String, String> {
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(RETRY_INTERVAL * (1 << (attempt - 1))).await;
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

    /// How much of the file is there, and what to ask for the rest with. A part without a label is worth
    /// nothing: it would be unknown whether the rest belongs to it.
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
        let label = Label { url: self.url.to_owned(), validator: validator(headers) };
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

/// What `If-Range` may ask with: not a weak tag (RFC 9110, 13.1.5).
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let tag = text(ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| text(LAST_MODIFIED)).map(str::to_owned)
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

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::event::Events;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_part_goes_on_only_where_the_server_says_it_does() {
        for (value, start, end) in [
            ("bytes 100-199/200", Some(100), None),
            ("bytes 0-199/*", Some(0), None),
            ("bytes */200", None, Some(200)),
            ("items 100-199/200", None, None),
            ("bytes", None, None),
            ("bytes x-1/2", None, None),
        ] {
            let headers = headers(&[(CONTENT_RANGE, value)]);
            for offset in [0, 100, 200] {
                assert_eq!(starts_at(&headers, offset), start == Some(offset), "{value} at {offset}");
                assert_eq!(ends_at(&headers, offset), end == Some(offset), "{value} at {offset}");
            }
        }
        assert!(!starts_at(&HeaderMap::new(), 0) && !ends_at(&HeaderMap::new(), 0));
    }

    #[test]
    fn a_strong_tag_is_asked_with_then_the_date_and_never_a_weak_tag() {
        let date = "Sat, 29 Oct 1994 19:43:31 GMT";
        let strong = headers(&[(ETAG, "\"v1\""), (LAST_MODIFIED, date)]);
        assert_eq!(validator(&strong).as_deref(), Some("\"v1\""));
        let weak = headers(&[(ETAG, "W/\"v1\""), (LAST_MODIFIED, date)]);
        assert_eq!(validator(&weak).as_deref(), Some(date));
        assert_eq!(validator(&headers(&[(ETAG, "W/\"v1\"")])), None);
    }

    /// A part of some bytes whose label was made from some headers, and what can be resumed of it.
    fn resumable(bytes: &str, label: Option<(&str, HeaderMap)>, url: &str) -> (u64, Option<String>) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.part");
        let (events, _heard) = Events::channel();
        let step = events.step(&"build".into(), None);
        if let Some((url, headers)) = label {
            Part { url, path: &path, events: &step }.relabel(&headers).unwrap();
        }
        store::write(&path, bytes).unwrap();
        Part { url, path: &path, events: &step }.resumable()
    }

    #[test]
    fn a_part_is_resumed_only_with_a_label_of_the_same_address() {
        let tagged = || headers(&[(ETAG, "\"v1\"")]);
        let tag = Some("\"v1\"".to_owned());
        assert_eq!(resumable("12345", Some(("http://a", tagged())), "http://a"), (5, tag));
        assert_eq!(resumable("12345", Some(("http://a", tagged())), "http://b"), (0, None));
        assert_eq!(resumable("", Some(("http://a", tagged())), "http://a"), (0, None));
        assert_eq!(resumable("12345", Some(("http://a", HeaderMap::new())), "http://a"), (0, None));
        assert_eq!(resumable("12345", None, "http://a"), (0, None));
    }

    #[test]
    fn a_new_label_discards_the_bytes_of_the_old_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.part");
        let (events, _heard) = Events::channel();
        let step = events.step(&"build".into(), None);
        store::write(&path, "bytes of another file").unwrap();
        let part = Part { url: "http://a", path: &path, events: &step };
        part.relabel(&headers(&[(ETAG, "\"v2\"")])).unwrap();
        assert!(!path.exists() && part.label().exists());
        store::write(&path, "whole").unwrap();
        assert_eq!(part.finish().unwrap(), crate::digest::of_file(&path).unwrap());
        assert!(!part.label().exists(), "a whole file needs no label");
    }
}
