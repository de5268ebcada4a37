//! A client of a few lines, independent of the one provision uses.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A reply, errors included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Text(String),
    Int(i64),
    List(Vec<Reply>),
    Error(String),
}

impl Reply {
    pub fn texts(words: &[&str]) -> Self {
        Self::List(words.iter().map(|word| Self::Text((*word).to_owned())).collect())
    }

    #[track_caller]
    pub fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }
}

/// Sends one command to a node and reads the reply.
pub fn ask(address: &str, words: &[&str]) -> Reply {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    (&stream).write_all(command.as_bytes()).unwrap();
    read(&mut BufReader::new(stream))
}

/// The same of a node that may not answer.
pub fn try_ask(address: &str, words: &[&str]) -> Option<Reply> {
    let address = address.parse().unwrap();
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    (&stream).write_all(command.as_bytes()).ok()?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).ok().filter(|read| *read > 0)?;
    Some(Reply::Text(answer))
}

/// Asks and follows MOVED, as a cluster client does.
pub fn follow(address: &str, words: &[&str]) -> Reply {
    let mut address = address.to_owned();
    for _ in 0..5 {
        match ask(&address, words) {
            Reply::Error(text) if text.starts_with("MOVED ") => {
                address = text.rsplit(' ').next().unwrap().to_owned();
            }
            other => return other,
        }
    }
    panic!("{words:?} is moved in circles");
}

/// Puts keys through any node; returns how many.
pub fn fill(address: &str, keys: usize) -> usize {
    for key in 0..keys {
        assert_eq!(
            follow(address, &["SET", &format!("key:{key}"), &key.to_string()]),
            Reply::Text("OK".into())
        );
    }
    keys
}

/// Counts the keys that are still there.
pub fn count(address: &str, keys: usize) -> usize {
    (0..keys)
        .filter(|key| follow(address, &["GET", &format!("key:{key}")]) == Reply::Text(key.to_string()))
        .count()
}

fn read(reader: &mut BufReader<TcpStream>) -> Reply {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let (kind, rest) = line.trim_end().split_at(1);
    match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Int(rest.parse().unwrap()),
        "$" if rest == "-1" => Reply::Nil,
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
            reader.read_exact(&mut bytes).unwrap();
            Reply::Text(String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned())
        }
        "*" => Reply::List((0..rest.parse::<i64>().unwrap().max(0)).map(|_| read(reader)).collect()),
        other => panic!("not RESP: {other:?} {rest:?}"),
    }
}
