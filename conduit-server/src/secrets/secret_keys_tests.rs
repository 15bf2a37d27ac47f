use proptest::prelude::*;

use super::*;

const FIRST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECOND: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";

fn keys(text: &str) -> SecretKeys {
    SecretKeys::parse(text).unwrap()
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn place<'a>(collection: &'a str, destination: &'a str, path: &'a [String]) -> SecretPlace<'a> {
    SecretPlace {
        collection,
        destination,
        path,
    }
}

#[test]
fn a_key_is_taken_in_base64_and_in_hex_with_the_same_meaning() {
    let path = path(&["bearer_token"]);
    let place = place("orders", "d", &path);
    let sealed = keys(FIRST).seal("hunter2", place).unwrap().unwrap();
    for same in [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= ",
    ] {
        let opened = keys(same).open(&sealed, place);
        assert_eq!(
            opened.map(|opened| opened.secret).as_deref(),
            Some("hunter2"),
            "{same}"
        );
    }
    // Bytes that the two alphabets of base64 write differently.
    let standard = keys("+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=");
    let sealed = standard.seal("hunter2", place).unwrap().unwrap();
    let url_safe = keys("-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
    assert!(url_safe.open(&sealed, place).is_some());
}

#[test]
fn what_is_no_key_is_refused_without_being_repeated() {
    let third = "40".repeat(32);
    for text in [
        "hunter2".to_owned(),
        "hunter2hunter2h".to_owned(),
        format!("{FIRST},"),
        format!(",{FIRST}"),
        format!("{FIRST},{SECOND},{third}"),
    ] {
        let message = SecretKeys::parse(&text).expect_err(&text);
        assert!(message.contains("openssl rand -base64 32"), "{message}");
        assert!(
            !message.contains("hunter2") && !message.contains(FIRST),
            "{message}"
        );
    }
}

#[test]
fn a_long_text_is_a_key_of_its_own() {
    let own = path(&["token"]);
    let place = place("orders", "d", &own);
    let texts = [
        "a text nobody can guess",
        "a text nobody can guest",
        "00112233445566778899",
        FIRST,
    ];
    let sealed = keys(texts[0]).seal("hunter2", place).unwrap().unwrap();
    let opens = texts.map(|text| keys(text).open(&sealed, place).is_some());
    assert_eq!(opens, [true, false, false, false]);
}

#[test]
fn a_secret_opens_only_where_it_belongs() {
    let keys = keys(FIRST);
    let own = path(&["headers", "x-key"]);
    let sealed = keys.seal("hunter2", place("orders", "d", &own)).unwrap().unwrap();
    assert!(keys.open(&sealed, place("orders", "d", &own)).is_some());
    let others = [
        path(&["headers", "x-other"]),
        path(&["headers"]),
        path(&["headersx-key"]),
        path(&["headers", "x-key", ""]),
    ];
    for other in &others {
        assert!(
            keys.open(&sealed, place("orders", "d", other)).is_none(),
            "{other:?}"
        );
    }
    assert!(keys.open(&sealed, place("users", "d", &own)).is_none());
    assert!(keys.open(&sealed, place("orders", "e", &own)).is_none());
    // The same letters, parted elsewhere.
    assert!(keys.open(&sealed, place("ordersd", "", &own)).is_none());
}

#[test]
fn a_secret_that_was_tampered_with_does_not_open() {
    let keys = keys(FIRST);
    let own = path(&["bearer_token"]);
    let place = place("orders", "d", &own);
    let sealed = keys.seal("hunter2", place).unwrap().unwrap();
    let bytes = STANDARD_NO_PAD
        .decode(sealed.strip_prefix(FORM).unwrap())
        .unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let changed = format!("{FORM}{}", STANDARD_NO_PAD.encode(changed));
        assert!(keys.open(&changed, place).is_none(), "byte {index}");
        let cut = format!("{FORM}{}", STANDARD_NO_PAD.encode(&bytes[..index]));
        assert!(keys.open(&cut, place).is_none(), "cut at {index}");
    }
    for text in [
        "",
        "1.",
        "1.*",
        "2.AAAA",
        "hunter2",
        sealed.trim_start_matches(FORM),
    ] {
        assert!(keys.open(text, place).is_none(), "{text:?}");
    }
}

#[test]
fn of_two_keys_the_first_encrypts_and_both_decrypt() {
    let own = path(&["bearer_token"]);
    let place = place("orders", "d", &own);
    let (old, new) = (keys(SECOND), keys(FIRST));
    let both = keys(&format!("{FIRST},{SECOND}"));
    let opened = |keys: &SecretKeys, sealed: &str| keys.open(sealed, place).map(|opened| opened.is_current);
    let before = old.seal("hunter2", place).unwrap().unwrap();
    assert_eq!(opened(&both, &before), Some(false));
    assert_eq!(opened(&new, &before), None);
    let after = both.seal("hunter2", place).unwrap().unwrap();
    assert_eq!(opened(&both, &after), Some(true));
    assert_eq!(opened(&new, &after), Some(true));
    assert_eq!(opened(&old, &after), None);
}

#[test]
fn without_a_key_nothing_is_encrypted_or_decrypted() {
    let own = path(&["bearer_token"]);
    let place = place("orders", "d", &own);
    let none = SecretKeys::default();
    assert!(none.is_empty() && none.seal("hunter2", place).unwrap().is_none());
    let sealed = keys(FIRST).seal("hunter2", place).unwrap().unwrap();
    assert!(none.open(&sealed, place).is_none());
}

#[test]
fn neither_keys_nor_what_they_open_are_shown() {
    let keys = keys(FIRST);
    let own = path(&["bearer_token"]);
    let place = place("orders", "d", &own);
    let sealed = keys.seal("hunter2", place).unwrap().unwrap();
    let shown = format!("{keys:?} {:?}", keys.open(&sealed, place));
    assert!(!shown.contains("hunter2") && !shown.contains("AAEC"), "{shown}");
    assert!(!shown.contains("[0, 1, 2"), "{shown}");
}

proptest! {
    #[test]
    fn every_secret_comes_back_as_it_was(
        secret in ".*", collection in ".*", destination in ".*", path in prop::collection::vec(".*", 0..4),
    ) {
        let keys = keys(FIRST);
        let place = place(&collection, &destination, &path);
        let sealed = keys.seal(&secret, place).unwrap().unwrap();
        let again = keys.seal(&secret, place).unwrap().unwrap();
        prop_assert_ne!(&sealed, &again);
        let opened = keys.open(&sealed, place).map(|opened| opened.secret);
        prop_assert_eq!(opened, Some(secret));
    }
}
