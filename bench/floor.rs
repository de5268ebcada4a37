//! The least a tool on this library can do: connect to all hosts at the same time, log in with a key, run one
//! command on each.
//!
//! `floor KEY COMMAND ADDRESS…`
use std::sync::Arc;

use russh::{
    ChannelMsg,
    client::{self, Handler},
    keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key},
};

struct AnyKey;

impl Handler for AnyKey {
    type Error = russh::Error;
    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut words = std::env::args().skip(1);
    let (key, command) = (words.next().ok_or("no key")?, words.next().ok_or("no command")?);
    let key = Arc::new(load_secret_key(key, None)?);
    let config = Arc::new(client::Config { nodelay: true, ..client::Config::default() });
    let tasks: Vec<_> = words
        .map(|address| tokio::spawn(visit(address, Arc::clone(&key), Arc::clone(&config), command.clone())))
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn visit(
    address: String,
    key: Arc<russh::keys::PrivateKey>,
    config: Arc<client::Config>,
    command: String,
) -> Result<(), Failed> {
    let mut handle = client::connect(config, (address, 22), AnyKey).await?;
    let key = PrivateKeyWithHashAlg::new(key, None::<HashAlg>);
    if !handle.authenticate_publickey("root", key).await?.success() {
        return Err("the login was refused".into());
    }
    let mut channel = handle.channel_open_session().await?;
    channel.exec(true, command).await?;
    while let Some(message) = channel.wait().await {
        if matches!(message, ChannelMsg::Close) {
            break;
        }
    }
    Ok(())
}
