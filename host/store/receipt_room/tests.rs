use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::*;

const HOUR: u64 = 60 * MINUTE;

/// A time at the beginning of a minute.
const BEGIN: u64 = 500_000 * HOUR;

fn room(list_bytes: usize, total_bytes: usize) -> Arc<ReceiptRoom> {
    let room = ReceiptRoom::new(ReceiptLimits { list_bytes, total_bytes, ..ReceiptLimits::default() });
    room.advance(BEGIN);
    room
}

fn account(time: u64, holder: &str, bytes: u64) -> ReceiptAccount {
    ReceiptAccount { time, holder: holder.into(), bytes }
}

#[test]
fn each_limit_is_named_when_it_leaves_no_room_and_what_was_refused_takes_none() {
    let room = room(1_000, 8_000);
    let list = ListShare { bytes: 950, oldest: Some(BEGIN), held: 0 };
    assert_eq!(room.check(list, "ann", 50, BEGIN), Ok(()));
    let limit = |refused: Result<(), NoReceiptRoom>| refused.map_err(|refused| (refused.limit, refused.bytes));
    assert_eq!(limit(room.check(list, "ann", 51, BEGIN)), Err((ReceiptLimit::List, 1_000)));

    let none = ListShare::default();
    room.account(&account(BEGIN, "ann", 990));
    assert_eq!(limit(room.check(none, "ann", 11, BEGIN)), Err((ReceiptLimit::Holder, 1_000)));
    let refused = room.reserve(none, account(BEGIN, "ann", 11), BEGIN);
    assert!(refused.is_err());
    assert_eq!((room.used(), room.used_by("ann")), (990, 990));
    assert_eq!(room.check(none, "bob", 11, BEGIN), Ok(()));

    for holder in ["b", "c", "d", "e", "f", "g", "h"] {
        room.account(&account(BEGIN, holder, 1_000));
    }
    assert_eq!(limit(room.check(none, "bob", 11, BEGIN)), Err((ReceiptLimit::Total, 8_000)));
}

#[test]
fn the_last_eighth_of_a_list_is_for_holders_with_less_than_an_eighth() {
    let room = room(1_000, 80_000);
    let check = |bytes, held, new| {
        let list = ListShare { bytes, oldest: Some(BEGIN), held };
        room.check(list, "ann", new, BEGIN).map_err(|refused| (refused.limit, refused.bytes))
    };
    assert_eq!(check(850, 850, 25), Ok(()), "one holder may take seven eighths");
    let list = ListShare { bytes: 850, oldest: Some(BEGIN), held: 850 };
    let text = room.check(list, "ann", 26, BEGIN).unwrap_err().to_string();
    assert!(text.contains("full of receipts but for its last 125 bytes, which are for callers"), "{text}");
    assert_eq!(check(850, 850, 26), Err((ReceiptLimit::ListHolder, 125)));
    assert_eq!(check(875, 0, 125), Ok(()));
    assert_eq!(check(900, 25, 100), Ok(()));
    assert_eq!(check(875, 25, 101), Err((ReceiptLimit::ListHolder, 125)));
    assert_eq!(check(875, 0, 126), Err((ReceiptLimit::List, 1_000)));
}

#[test]
fn a_refusal_says_when_to_try_again_if_receipts_expire_within_an_hour() {
    let room = room(1_000, 8_000);
    let full = |oldest| ListShare { bytes: 1_000, oldest: Some(oldest), held: 0 };
    let wait = |list, holder, now| room.check(list, holder, 1, now).unwrap_err().retry_after;
    assert_eq!(wait(full(BEGIN), "ann", BEGIN), None);
    assert_eq!(wait(full(BEGIN), "ann", BEGIN + 23 * HOUR), Some(HOUR));
    room.account(&account(BEGIN, "ann", 1_000));
    assert_eq!(wait(ListShare::default(), "ann", BEGIN + 22 * HOUR), None);
    assert_eq!(wait(ListShare::default(), "ann", BEGIN + 24 * HOUR - 5_000), Some(MINUTE + 5_000));
}

#[test]
fn dropped_reservations_are_released_and_those_in_the_hands_of_the_store_are_not() {
    let room = room(1_000, 8_000);
    let reserve = || room.reserve(ListShare::default(), account(BEGIN, "ann", 100), BEGIN).expect("there is room");
    drop(reserve());
    assert_eq!((room.used(), room.used_by("ann")), (0, 0));
    let handed_over = reserve().hand_over();
    assert_eq!(room.used(), 100);
    room.release(&handed_over);
    assert_eq!((room.used(), room.used_by("ann")), (0, 0));
}

#[test]
fn a_clock_that_is_set_back_expires_nothing_that_it_receives_and_brings_nothing_back() {
    let room = room(1_000, 8_000);
    room.advance(BEGIN + 30 * HOUR);
    assert!(room.is_expired(BEGIN + 5 * HOUR));
    // By less than the time of a receipt.
    room.advance(BEGIN + 10 * HOUR);
    assert!(room.is_expired(BEGIN + 5 * HOUR) && !room.is_expired(BEGIN + 10 * HOUR));
    // By more: what is received now must not be expired from the beginning.
    room.advance(BEGIN + HOUR);
    assert!(!room.is_expired(BEGIN + HOUR));
}

/// One step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Reserve { holder: u8, bytes: u64, is_carried_out: Option<bool> },
    Pass { hours: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reserve = (0..3_u8, 1..300_u64, any::<Option<bool>>());
    let step = prop_oneof![
        5 => reserve.prop_map(|(holder, bytes, is_carried_out)| Step::Reserve { holder, bytes, is_carried_out }),
        2 => (1..30_u64).prop_map(|hours| Step::Pass { hours }),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn the_room_in_use_is_that_of_the_receipts_that_are_not_expired(steps in steps()) {
        let room = room(1_000, 8_000);
        let (mut now, mut held) = (BEGIN, Vec::<ReceiptAccount>::new());
        for step in steps {
            match step {
                Step::Pass { hours } => {
                    now += hours * HOUR;
                    room.advance(now);
                }
                Step::Reserve { holder, bytes, is_carried_out } => {
                    let account = account(now, &format!("holder {holder}"), bytes);
                    let used = held.iter().filter(|other| other.holder == account.holder);
                    let has_room = used.map(|account| account.bytes).sum::<u64>() + bytes <= 1_000;
                    let reserved = room.reserve(ListShare::default(), account.clone(), now);
                    assert_eq!(reserved.is_ok(), has_room);
                    match (reserved, is_carried_out) {
                        (Ok(reserved), Some(true)) => held.push(reserved.hand_over()),
                        (Ok(reserved), Some(false)) => room.release(&reserved.hand_over()),
                        (Ok(reserved), None) => drop(reserved),
                        (Err(_), _) => {}
                    }
                }
            }
            held.retain(|account| account.time + 24 * HOUR >= now);
            assert_eq!(room.used(), held.iter().map(|account| account.bytes).sum::<u64>());
            for holder in ["holder 0", "holder 1", "holder 2"] {
                let used = held.iter().filter(|account| &*account.holder == holder);
                assert_eq!(room.used_by(holder), used.map(|account| account.bytes).sum::<u64>());
            }
        }
    }
}
