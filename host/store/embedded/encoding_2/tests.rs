use super::convert as convert_list;
use super::*;
use crate::store::fixtures;

/// A history row of this encoding without its first revision, as a list has it that retains fewer revisions.
pub(in crate::store::embedded) fn without_first_revision(list: &str, last: u64, row: &[u8]) -> Vec<u8> {
    let name = fixtures::name(list);
    let content = unseal(RowKind::History, &name, last, row).expect("a history row");
    let (count, revisions) = record::decode_first::<u64>(content).expect("a run");
    let (_, rest) = record::decode_first::<OldRevision>(revisions).expect("a revision");
    let run = record::append(Vec::new(), &(count - 1));
    record::sealed_as(ENCODING, RowKind::History, &name, last, &[&run[..], rest].concat())
}

#[test]
fn a_history_that_does_not_lead_to_the_list_is_damage() {
    let name = fixtures::name("bob");
    let snapshot = |revision: u64, next_id: u64| {
        let list = (revision, None::<LogicName>, next_id, Vec::<Arc<Entry>>::new(), Vec::<Field>::new());
        record::sealed_as(ENCODING, RowKind::Snapshot, &name, revision, &record::append(Vec::new(), &list))
    };
    let convert = |revision, next_id| {
        let meta = (3_u64, ListMeta { revision, ..ListMeta::default() });
        let meta = record::append(Vec::new(), &meta);
        let meta = record::sealed_as(ENCODING, RowKind::ListMeta, &name, revision, &meta);
        let compacted = Some(OldCompacted { revision, seq: 3, meta, snapshot: snapshot(revision, next_id) });
        convert_list(&name, &OldList { compacted, ..OldList::default() }).map(drop)
    };
    assert_eq!(convert(0, 1), Ok(()));
    for (revision, next_id) in [(0, 2), (1, 1)] {
        let why = format!("its history does not lead to what it is at revision {revision}");
        assert_eq!(convert(revision, next_id), Err(why));
    }
}
