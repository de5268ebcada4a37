//! Signs with a private key from a file, as an agent does: a certificate of an RSA key names the hash of the
//! signature, and sshd takes SHA-1 no more (OpenSSH 8.8).

use std::sync::Arc;

use russh::{
    AgentAuthError, Signer,
    keys::{
        self, HashAlg, PrivateKey, agent::AgentIdentity, signature::Signer as _, ssh_key,
        ssh_key::private::KeypairData,
    },
};

/// The key of a file.
pub(super) struct FileSigner(pub(super) Arc<PrivateKey>);

impl Signer for FileSigner {
    type Error = AgentAuthError;

    /// Returns what is to be signed with the signature behind it, as RFC 4252 section 7 has both in one
    /// packet.
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let signed: Result<ssh_key::Signature, _> = match self.0.key_data() {
            KeypairData::Rsa(key) => (key, hash).try_sign(&to_sign),
            key => key.try_sign(&to_sign),
        };
        let signature = signed.map_err(|error| keys::Error::from(ssh_key::Error::from(error)))?;
        let algorithm = signature.algorithm();
        let parts = [algorithm.as_str().as_bytes(), signature.as_bytes()];
        let encoded: Vec<u8> = parts.into_iter().flat_map(string).collect();
        to_sign.extend(string(&encoded));
        Ok(to_sign)
    }
}

/// A `string` of RFC 4251 section 5: its length, and its bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_begins_with_its_length() {
        assert_eq!(string(b"ssh"), b"\0\0\0\x03ssh");
        assert_eq!(string(b""), b"\0\0\0\0");
    }
}
