//! Changes of the inventory that a formed cluster cannot follow yet: refused in the plan, since half of each
//! would be a wedge, or a second cluster beside the first.

use std::str::FromStr;

use super::SafetyViolation;
use crate::{
    cluster::{observe::Observed, on_disk::OnDisk},
    inventory::{Fleet, Version},
    redis::SLOTS,
};

/// Refuses another engine, an older data format, other nodes, and another number of masters.
pub(super) fn refuse(fleet: &Fleet, observed: &Observed, disk: &OnDisk) -> Result<(), SafetyViolation> {
    refuse_engine(fleet, observed, disk)?;
    refuse_downgrade(fleet, observed, disk)?;
    refuse_shape(fleet, observed, disk)?;
    refuse_other_address(fleet, observed)?;
    refuse_leftover(fleet, disk)
}

fn refuse_engine(fleet: &Fleet, observed: &Observed, disk: &OnDisk) -> Result<(), SafetyViolation> {
    let live = observed.views().find_map(|(_, view)| view.info.server.engine());
    let recorded = disk.manifest.as_ref().map(|manifest| manifest.engine);
    match live.or(recorded) {
        Some(has) if has != fleet.engine => Err(SafetyViolation::OtherEngine { has, wants: fleet.engine }),
        _ => Ok(()),
    }
}

/// A newer server writes files that an older one cannot read. Within one minor version the formats stay.
fn refuse_downgrade(fleet: &Fleet, observed: &Observed, disk: &OnDisk) -> Result<(), SafetyViolation> {
    let live = observed.views().filter_map(|(_, view)| view.info.server.version());
    let recorded = disk.manifest.iter().map(|manifest| manifest.version.as_str());
    let newest = live.chain(recorded).filter_map(|text| Version::from_str(text).ok()).max();
    let format = |version: Version| (version.major, version.minor);
    match newest.filter(|has| format(*has) > format(fleet.version)) {
        Some(has) => Err(SafetyViolation::Downgrade { has, wants: fleet.version }),
        None => Ok(()),
    }
}

/// A node that runs as a member says under which address it is known. Its peers would lose it at once if it
/// announced another one before that is reached.
fn refuse_other_address(fleet: &Fleet, observed: &Observed) -> Result<(), SafetyViolation> {
    let other = fleet.nodes().find_map(|node| {
        let view = observed.view(node.key)?;
        let own = view.myself().filter(|_| view.peers().next().is_some())?;
        let has = own.address().filter(|has| *has != node.key.address())?;
        Some(SafetyViolation::Moved {
            id: own.id.clone(),
            member: node.member().into(),
            has: has.to_string(),
            wants: node.key.to_string(),
        })
    });
    other.map_or(Ok(()), Err)
}

fn refuse_leftover(fleet: &Fleet, disk: &OnDisk) -> Result<(), SafetyViolation> {
    let Some((host, nodes)) = disk.leftover.iter().find(|(_, nodes)| !nodes.is_empty()) else {
        return Ok(());
    };
    let of_host = fleet.hosts.iter().filter(|other| other.name == *host).flat_map(|host| &host.nodes);
    Err(SafetyViolation::OtherNodes {
        host: host.clone(),
        has: nodes.clone(),
        wants: of_host.map(|node| node.name().clone()).collect(),
    })
}

/// Without a manifest only a cluster that serves all slots tells how many masters it was made with.
fn refuse_shape(fleet: &Fleet, observed: &Observed, disk: &OnDisk) -> Result<(), SafetyViolation> {
    let wants = fleet.nodes().count();
    if let Some(manifest) = &disk.manifest {
        let has = manifest.members.len();
        if has != wants {
            return Err(SafetyViolation::OtherCount { what: "nodes", has, wants });
        }
    }
    let owned = |rows: &[crate::redis::NodeRow]| {
        let slots = rows.iter().flat_map(|row| &row.slots).flat_map(|range| range.iter());
        slots.collect::<std::collections::BTreeSet<_>>().len() == usize::from(SLOTS)
    };
    let complete = observed.views().find(|(_, view)| owned(&view.rows));
    let live = complete.map(|(_, view)| view.rows.iter().filter(|row| !row.slots.is_empty()).count());
    let recorded = disk.manifest.as_ref().map(super::super::manifest::Manifest::shards);
    match recorded.or(live) {
        Some(has) if has != fleet.masters() => {
            Err(SafetyViolation::OtherCount { what: "masters", has, wants: fleet.masters() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        cluster::{
            Manifest,
            testing::{SIX, cluster, hosts, six, view_mut},
        },
        inventory::Engine,
    };

    fn with_manifest() -> OnDisk {
        OnDisk { manifest: Manifest::of(&six(), &cluster(SIX), None), ..OnDisk::default() }
    }

    /// The same refusal by the live nodes alone, and by the manifest alone.
    fn refused_by_both(fleet: &Fleet) -> SafetyViolation {
        let live = refuse(fleet, &cluster(SIX), &OnDisk::default()).unwrap_err();
        assert_eq!(refuse(fleet, &Observed::default(), &with_manifest()).unwrap_err(), live);
        live
    }

    #[test]
    fn what_was_formed_is_fine() {
        assert_eq!(refuse(&six(), &cluster(SIX), &with_manifest()), Ok(()));
        assert_eq!(refuse(&six(), &Observed::default(), &OnDisk::default()), Ok(()));
    }

    #[test]
    fn another_engine_is_refused() {
        let mut fleet = six();
        fleet.engine = Engine::Valkey;
        let expected = SafetyViolation::OtherEngine { has: Engine::Redis, wants: Engine::Valkey };
        assert_eq!(refused_by_both(&fleet), expected);
    }

    #[test]
    fn a_member_that_would_announce_another_address_is_refused() {
        let mut observed = cluster(SIX);
        let own = view_mut(&mut observed, "7002").rows.iter_mut().find(|row| row.is_myself()).unwrap();
        own.ip = "203.0.113.7".to_owned();
        let refused = refuse(&six(), &observed, &OnDisk::default()).unwrap_err();
        let SafetyViolation::Moved { has, wants, .. } = &refused else { panic!("{refused}") };
        assert_eq!((has.as_str(), wants.as_str()), ("203.0.113.7:7002", "10.0.0.1:7002"));
        view_mut(&mut observed, "7002").rows.retain(crate::redis::NodeRow::is_myself);
        assert_eq!(refuse(&six(), &observed, &OnDisk::default()), Ok(()), "nobody knows it yet");
    }

    #[test]
    fn an_older_format_is_refused_and_an_older_patch_is_not() {
        let mut fleet = six();
        fleet.version = Version::new(6, 2, 14);
        assert!(matches!(refused_by_both(&fleet), SafetyViolation::Downgrade { .. }));
        fleet.version = Version::new(7, 0, 1);
        assert_eq!(refuse(&fleet, &cluster(SIX), &with_manifest()), Ok(()));
    }

    #[test]
    fn another_number_of_masters_is_refused() {
        let expected = SafetyViolation::OtherCount { what: "masters", has: 3, wants: 6 };
        assert_eq!(refused_by_both(&hosts(&[6], 0)), expected);
    }

    #[test]
    fn another_number_of_nodes_is_refused_and_a_formation_that_stopped_goes_on() {
        let expected = SafetyViolation::OtherCount { what: "nodes", has: 6, wants: 7 };
        assert_eq!(refuse(&hosts(&[7], 1), &Observed::default(), &with_manifest()), Err(expected));
        let half = "7001 master 0-5460\n7002 master 5461-10922\n7003 master\n";
        assert_eq!(refuse(&six(), &cluster(half), &OnDisk::default()), Ok(()));
    }

    #[test]
    fn nodes_that_are_not_in_the_inventory_any_more_are_named() {
        let disk =
            OnDisk { leftover: BTreeMap::from([("h0".into(), vec!["7501".into()])]), ..OnDisk::default() };
        let error = refuse(&six(), &Observed::default(), &disk).unwrap_err();
        assert!(matches!(&error, SafetyViolation::OtherNodes { wants, .. } if wants.len() == 6), "{error}");
    }

    #[test]
    fn one_stale_view_of_slots_is_no_shape() {
        let mut observed = cluster(SIX);
        for node in ["7001", "7002", "7003", "7004", "7005", "7006"] {
            view_mut(&mut observed, node).rows[0].slots.clear();
        }
        assert_eq!(refuse(&hosts(&[6], 0), &observed, &OnDisk::default()), Ok(()));
    }
}
