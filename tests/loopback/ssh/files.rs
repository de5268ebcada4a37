//! Files that are put on a host and got from it.

use std::fs;

use provision::host::Upload;

use super::{change, noise};
use crate::support::sshd::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn files_arrive_whole_with_their_mode() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "files").await;
    change.probe().ask("nothing", ":").await.unwrap();
    for (name, content) in [("zeros", vec![0; 20 << 20]), ("noise", noise(8 << 20)), ("empty", Vec::new())] {
        let (local, remote, back) = (sshd.path("local"), sshd.path(name), sshd.path("back"));
        fs::write(&local, &content).unwrap();
        let upload = Upload::read(&local).unwrap();
        change.put(&upload, remote.to_str().unwrap(), 0o640).await.unwrap();
        assert_eq!(fs::read(&remote).unwrap(), content);
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&remote).unwrap().permissions()) & 0o777,
            0o640
        );
        assert_eq!(change.probe().get(remote.to_str().unwrap(), &back).await.unwrap(), upload.sha256());
        assert_eq!(fs::read(&back).unwrap(), content);
    }
    let upload = Upload::read(&sshd.path("local")).unwrap();
    let error = change.put(&upload, "/nowhere/at/all", 0o644).await.unwrap_err().to_string();
    assert!(error.contains("n1") && error.contains("/nowhere/at/all"), "{error}");
    let error = change.probe().get("/nowhere/at/all", &sshd.path("back")).await.unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
}
