use super::*;

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn spec() -> LabSpec {
    LabSpec { name: "demo".to_owned(), hosts: None, subnet: None, image: None, cache: "/cache".into() }
}

fn state() -> State {
    let subnet = net("10.77.0.0/24");
    State::new("demo", Path::new("/labs/demo"), subnet, "/srv/root".into(), guests(subnet, 3).unwrap())
}

#[test]
fn hosts_are_numbered_from_one_and_addresses_from_eleven() {
    let guests = guests(net("10.77.5.0/24"), 6).unwrap();
    assert_eq!((guests[0].name.as_str(), guests[0].address), ("n1", Ipv4Addr::new(10, 77, 5, 11)));
    assert_eq!((guests[5].name.as_str(), guests[5].address), ("n6", Ipv4Addr::new(10, 77, 5, 16)));
}

#[test]
fn all_addresses_are_in_the_subnet_and_none_is_its_last() {
    for prefix in 16..=28u8 {
        let subnet = net(&format!("10.64.0.0/{prefix}"));
        for hosts in [1, 4, 20, 200] {
            let Ok(guests) = guests(subnet, hosts) else { continue };
            let fine = |address: Ipv4Addr| subnet.contains(&address) && address != subnet.broadcast();
            assert!(guests.iter().all(|guest| fine(guest.address)), "{subnet} {hosts}");
        }
    }
}

#[test]
fn a_subnet_without_room_is_refused() {
    assert!(matches!(guests(net("10.99.0.0/29"), 1), Err(Error::Narrow { hosts: 1, .. })));
    assert!(guests(net("10.99.0.0/28"), 4).is_ok());
    assert!(guests(net("10.99.0.0/28"), 5).is_err());
}

#[test]
fn what_is_left_open_fits_any_lab() {
    assert!(spec().met_by(&state()).is_ok());
    let same = LabSpec {
        hosts: Some(3),
        subnet: Some(net("10.77.0.9/24")),
        image: Some(Source::Folder("/srv/root".into())),
        ..spec()
    };
    assert!(same.met_by(&state()).is_ok());
}

#[test]
fn another_number_subnet_or_image_is_another_lab() {
    let others = [
        LabSpec { hosts: Some(4), ..spec() },
        LabSpec { subnet: Some(net("10.78.0.0/24")), ..spec() },
        LabSpec { image: Some(Source::Rocky9), ..spec() },
    ];
    for other in others {
        assert!(matches!(other.met_by(&state()), Err(Error::Differs { .. })), "{other:?}");
    }
}

#[test]
fn a_host_is_found_by_its_name() {
    let lab = Lab { folder: "/labs/demo".into(), state: state() };
    assert_eq!(lab.guest("n2").unwrap().address, Ipv4Addr::new(10, 77, 0, 12));
    match lab.guest("n9") {
        Err(Error::NoGuest { known, .. }) => assert_eq!(known, "n1, n2, n3"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ssh_uses_the_keys_of_the_lab_and_no_settings_of_the_user() {
    let lab = Lab { folder: "/labs/demo".into(), state: state() };
    let line = lab.ssh(&lab.guests()[0]).join(" ");
    assert!(
        line.starts_with("ssh -F none ") && line.ends_with(" -i /labs/demo/id_ed25519 root@10.77.0.11"),
        "{line}"
    );
    assert!(
        line.contains("StrictHostKeyChecking=yes") && line.contains("/labs/demo/inventory.known_hosts"),
        "{line}"
    );
}

#[test]
fn labs_are_listed_by_name_and_other_folders_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        let mut state = state();
        state.name = name.to_owned();
        state.save(&folder.path().join(name)).unwrap();
    }
    std::fs::create_dir(folder.path().join("c")).unwrap();
    let names: Vec<String> = Lab::all(folder.path()).iter().map(|lab| lab.name().to_owned()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(Lab::all(Path::new("/no/such/folder")).is_empty());
}
