//! What every kind of share does, for each kind.

use std::sync::Arc;

use cache::{Access, CacheError, FolderShare, Share, ShareError, Source};

use crate::server::Server;
use crate::workshop::{Machine, blob, key, record};

/// A share without anything in it, for each case.
type Open<'a> = &'a dyn Fn(&str) -> Arc<dyn Share>;

fn read(share: &dyn Share, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    share.read(name, 1 << 30, &mut bytes).unwrap().then_some(bytes)
}

fn what_is_written_is_read_as_it_was(open: Open<'_>) {
    let share = open("bytes");
    let large: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    assert_eq!(read(&*share, "trusted/blobs/aa/aa"), None);
    assert!(!share.has("trusted/blobs/aa/aa").unwrap());
    for bytes in [b"".as_slice(), b"first", &large, b"shorter again"] {
        share.write("trusted/blobs/aa/aa", Source::Bytes(bytes)).unwrap();
        assert!(share.has("trusted/blobs/aa/aa").unwrap());
        assert_eq!(read(&*share, "trusted/blobs/aa/aa").as_deref(), Some(bytes));
    }
    let folder = testkit::folder();
    for bytes in [b"".as_slice(), &large] {
        let file = folder.path().join("file");
        std::fs::write(&file, bytes).unwrap();
        share.write("trusted/blobs/bb/bb", Source::File(&file)).unwrap();
        assert_eq!(read(&*share, "trusted/blobs/bb/bb").as_deref(), Some(bytes));
    }
    let cut = share.read("trusted/blobs/bb/bb", 1000, &mut Vec::new());
    assert_eq!(cut, Err(ShareError::Larger(1000)));
    assert_eq!(read(&*share, "trusted/blobs"), None);
}

fn a_result_of_one_machine_is_put_back_on_another(open: Open<'_>) {
    let share = open("machines");
    let key = key("trusted", "key");
    let files = [
        ("program", "binary"),
        ("lib/one", "first"),
        ("lib/empty", ""),
        ("again", "first"),
    ];
    let maker = Machine::new(&share, Access::ReadAndWrite);
    maker.make(&key, &files);
    let other = Machine::new(&share, Access::Read);
    assert_eq!(other.put_back(&key).unwrap().unwrap(), 4);
    assert_eq!(other.read("out/lib/one").as_deref(), Some("first"));
    assert_eq!(other.read("out/lib/empty").as_deref(), Some(""));
    assert_eq!(other.log(&key).as_deref(), Some(b"said something".as_slice()));
    // From now on it is found there without the share.
    share.write(&record(&key), Source::Bytes(b"")).unwrap();
    assert_eq!(other.put_back(&key).unwrap().unwrap(), 0);
    assert!(maker.told().is_empty() && other.told().is_empty());
}

fn domains_of_trust_stay_apart(open: Open<'_>) {
    let share = open("domains");
    let maker = Machine::new(&share, Access::ReadAndWrite);
    maker.make(&key("untrusted", "key"), &[("program", "binary")]);
    let other = Machine::new(&share, Access::Read);
    assert!(other.put_back(&key("trusted", "key")).is_none());
    // Neither do the bytes of one stand in for those of another.
    assert!(share.has(&blob("untrusted", "binary")).unwrap());
    assert!(!share.has(&blob("trusted", "binary")).unwrap());
    // A record that somebody carried over is of another key.
    let stolen = read(&*share, &record(&key("untrusted", "key"))).unwrap();
    let wanted = key("trusted", "another key");
    share.write(&record(&wanted), Source::Bytes(&stolen)).unwrap();
    assert!(other.put_back(&wanted).is_none());
    assert!(other.told()[0].contains("is damaged"));
}

fn what_is_poisoned_or_cut_is_never_put_back_and_is_told_and_mended(open: Open<'_>) {
    for (case, bytes) in [
        ("poisoned", "yranib"),
        ("cut", "bin"),
        ("longer", "binary and more"),
        ("empty", ""),
    ] {
        let share = open(case);
        let key = key("trusted", case);
        let maker = Machine::new(&share, Access::ReadAndWrite);
        maker.make(&key, &[("program", "binary")]);
        share
            .write(&blob("trusted", "binary"), Source::Bytes(bytes.as_bytes()))
            .unwrap();

        let other = Machine::new(&share, Access::ReadAndWrite);
        let restored = other.put_back(&key).unwrap();
        assert!(
            matches!(restored, Err(CacheError::Damaged(ref path)) if path == "out/program"),
            "{case}: {restored:?}"
        );
        assert_eq!(other.read("out/program"), None);
        let told = other.told();
        assert_eq!(told.len(), 1, "{case}: {told:?}");
        assert!(told[0].contains(&blob("trusted", "binary")), "{case}: {told:?}");
        // The step runs, and what it makes takes the place of what was damaged.
        other.make(&key, &[("program", "binary")]);
        let third = Machine::new(&share, Access::Read);
        assert_eq!(third.put_back(&key).unwrap().unwrap(), 1, "{case}");
    }
}

fn a_record_that_is_not_whole_is_no_result(open: Open<'_>) {
    let share = open("records");
    let key = key("trusted", "key");
    let maker = Machine::new(&share, Access::ReadAndWrite);
    maker.make(&key, &[("program", "binary")]);
    let whole = read(&*share, &record(&key)).unwrap();
    let mut other = whole.clone();
    let place = other.len() - 3;
    other[place] ^= 1;
    for bytes in [&whole[..whole.len() - 1], &whole[..20], &[], &other] {
        share.write(&record(&key), Source::Bytes(bytes)).unwrap();
        let machine = Machine::new(&share, Access::Read);
        assert!(machine.put_back(&key).is_none());
        assert_eq!(machine.told().len(), 1);
    }
}

fn bytes_that_are_gone_mean_that_the_step_runs_and_are_shared_anew(open: Open<'_>) {
    let share = open("gone");
    let key = key("trusted", "key");
    Machine::new(&share, Access::ReadAndWrite).make(&key, &[("program", "binary")]);
    // As if somebody had cleared the share: a second one with the record alone.
    let cleared = open("cleared");
    let text = read(&*share, &record(&key)).unwrap();
    cleared.write(&record(&key), Source::Bytes(&text)).unwrap();
    let machine = Machine::new(&cleared, Access::ReadAndWrite);
    assert!(matches!(machine.put_back(&key), Some(Err(CacheError::Damaged(_)))));
    machine.make(&key, &[("program", "binary")]);
    let other = Machine::new(&cleared, Access::Read);
    assert_eq!(other.put_back(&key).unwrap().unwrap(), 1);
}

fn who_only_reads_sends_nothing(open: Open<'_>) {
    let share = open("reading");
    let key = key("local", "key");
    let reader = Machine::new(&share, Access::Read);
    reader.make(&key, &[("program", "binary")]);
    assert!(!share.has(&record(&key)).unwrap());
    assert!(!share.has(&blob("local", "binary")).unwrap());
    assert!(reader.told().is_empty());
}

fn all(open: Open<'_>) {
    what_is_written_is_read_as_it_was(open);
    a_result_of_one_machine_is_put_back_on_another(open);
    domains_of_trust_stay_apart(open);
    what_is_poisoned_or_cut_is_never_put_back_and_is_told_and_mended(open);
    a_record_that_is_not_whole_is_no_result(open);
    bytes_that_are_gone_mean_that_the_step_runs_and_are_shared_anew(open);
    who_only_reads_sends_nothing(open);
}

#[test]
fn a_folder_is_a_share() {
    let folder = testkit::folder();
    all(&|name| Arc::new(FolderShare::new(folder.path().join(name))));
}

#[test]
fn a_bucket_is_a_share() {
    let Some(server) = Server::start() else { return };
    all(&|name| server.share(name));
}

#[test]
fn a_server_that_refuses_the_keys_or_has_no_such_bucket_is_told_once_and_stops_nothing() {
    let Some(server) = Server::start() else { return };
    let wrong: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "NOBODY"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let cases = [
        ("results", wrong, "InvalidAccessKeyId"),
        ("elsewhere", crate::server::KEYS, "NoSuchBucket"),
    ];
    for (bucket, keys, why) in cases {
        let address = format!("s3://{bucket}?endpoint={}", server.endpoint);
        let share: Arc<dyn Share> = Arc::new(crate::server::open(&address, keys, bucket::Patience::default()));
        let machine = Machine::new(&share, Access::ReadAndWrite);
        for step in ["one", "two"] {
            let key = key("trusted", step);
            assert!(machine.put_back(&key).is_none());
            machine.make(&key, &[("program", step)]);
        }
        let told = machine.told();
        assert!(told[0].contains("cannot be read") && told[0].contains(why), "{told:#?}");
        assert!(
            told[1].contains("cannot be written") && told[1].contains(why),
            "{told:#?}"
        );
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(!told.concat().contains("secret"), "a key is never repeated");
    }
}
