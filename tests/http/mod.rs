//! A web server that can cut connections, change its file and count what it is asked for.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the server does; changed while it runs.
#[derive(Default)]
pub(crate) struct Behaviour {
    pub(crate) body: Vec<u8>,
    pub(crate) etag: String,
    /// How many responses are cut, and after how many bytes of the body.
    pub(crate) cuts: usize,
    pub(crate) after: usize,
    /// The `Range` header of every request.
    pub(crate) ranges: Vec<Option<String>>,
    /// Bytes of the body that were sent.
    pub(crate) sent: usize,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
}

impl Server {
    pub(crate) async fn start(body: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/source.tar.gz", listener.local_addr().unwrap());
        let behaviour = Behaviour { body: body.to_vec(), etag: "\"one\"".to_owned(), ..Behaviour::default() };
        let behaviour = Arc::new(Mutex::new(behaviour));
        let shared = behaviour.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self { url, behaviour }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    pub(crate) fn ranges(&self) -> Vec<Option<String>> {
        self.behaviour.lock().unwrap().ranges.clone()
    }

    pub(crate) fn sent(&self) -> usize {
        self.behaviour.lock().unwrap().sent
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Mutex<Behaviour>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let response = respond(&String::from_utf8_lossy(&request), &mut shared.lock().unwrap());
    let _ = stream.write_all(&response).await;
    let _ = stream.shutdown().await;
}

fn respond(request: &str, server: &mut Behaviour) -> Vec<u8> {
    let header = |name: &str| {
        let found =
            request.lines().filter_map(|l| l.split_once(':')).find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    server.ranges.push(header("range"));
    let same = header("if-range").is_some_and(|tag| tag == server.etag);
    let from = header("range")
        .filter(|_| same)
        .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (start, total) = (from.unwrap_or(0), server.body.len());
    let status = if from.is_some() {
        format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}", total - 1)
    } else {
        "200 OK".to_owned()
    };
    let mut body = &server.body[start..];
    if server.cuts > 0 {
        server.cuts -= 1;
        body = &body[..body.len().min(server.after)];
    }
    server.sent += body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        server.etag,
        total - start
    );
    [head.as_bytes(), body].concat()
}
