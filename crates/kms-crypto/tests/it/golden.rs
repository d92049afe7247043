//! What was once written opens for ever: `tests/golden/README.md` says how the files came to be.

use std::collections::HashMap;
use std::fmt::Write;

use kms_core::entropy::SeededEntropy;
use kms_core::ids::{DataKeyId, OrgId, ProjectId, SessionId, UserId};
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_crypto::access_token::{Claims, UserClaims};
use kms_crypto::data::{DataKey, DataKeys};
use kms_crypto::keyring::{Keyring, SealedKeyringKey};
use kms_crypto::root::RootKey;
use uuid::Uuid;

use crate::support::{ORGANIZATION, PROJECT, row, secret, time};

const FORMAT_1: &str = include_str!("../golden/format-1.txt");

const PURPOSES: [Purpose; 8] = [
    Purpose::TokenSigningKey,
    Purpose::SecretValue,
    Purpose::SecretComment,
    Purpose::SecretMetadata,
    Purpose::ConnectionCredentials,
    Purpose::IssuedKeyText,
    Purpose::ProviderReach,
    Purpose::RotationMessage,
];

/// One line of a golden file: a kind, then `name=value` pairs.
struct Line<'a> {
    kind: &'a str,
    fields: HashMap<&'a str, &'a str>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let mut words = line.split(' ');
        Self {
            kind: words.next().unwrap(),
            fields: words.map(|word| word.split_once('=').unwrap()).collect(),
        }
    }

    fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str) -> T {
        self.fields[name].parse().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex::decode(self.fields[name]).unwrap()
    }

    fn sealed(&self) -> Sealed {
        Sealed::from_bytes(self.bytes("sealed"))
    }

    fn row(&self) -> Uuid {
        self.number("row")
    }

    fn scope(&self) -> KeyScope {
        match self.fields["scope"].split_once(':') {
            None => KeyScope::Instance,
            Some(("organization", id)) => KeyScope::Organization(id.parse().unwrap()),
            Some(("project", id)) => KeyScope::Project(id.parse().unwrap()),
            Some((other, _id)) => panic!("{other}"),
        }
    }

    fn context(&self) -> SealContext {
        let purpose: u16 = self.number("purpose");
        SealContext {
            purpose: PURPOSES.into_iter().find(|known| *known as u16 == purpose).unwrap(),
            scope: self.scope(),
            row: self.row(),
            version: self.number("version"),
        }
    }
}

fn lines<'a>(file: &'a str, kind: &str) -> Vec<Line<'a>> {
    let lines: Vec<_> = file.lines().map(Line::parse).filter(|line| line.kind == kind).collect();
    assert!(!lines.is_empty(), "no {kind}");
    lines
}

#[test]
fn format_1_opens() {
    let root = lines(FORMAT_1, "root-key")[0].fields["base64"];
    let root = RootKey::parse(&secret(root)).unwrap();
    let keyring_keys: Vec<_> = lines(FORMAT_1, "keyring-key")
        .iter()
        .map(|line| SealedKeyringKey {
            number: line.number("number"),
            sealed: line.sealed(),
        })
        .collect();
    let keyring = Keyring::open(&root, &keyring_keys).unwrap();

    let mut keys: HashMap<KeyScope, DataKeys> = HashMap::new();
    for line in lines(FORMAT_1, "data-key") {
        let key = keyring
            .open_data_key(DataKeyId(line.row()), line.scope(), line.number("number"), &line.sealed())
            .unwrap();
        keys.entry(line.scope())
            .and_modify(|keys| keys.add(key.clone()))
            .or_insert_with(|| DataKeys::from(key));
    }

    let values = lines(FORMAT_1, "value");
    assert_eq!(values.len(), 11);
    for line in values {
        let opened = keys[&line.scope()].open(line.context(), &line.sealed()).unwrap();
        assert_eq!(opened.expose(), line.bytes("plaintext"));
    }

    let token = lines(FORMAT_1, "access-token")[0].fields["token"];
    assert_eq!(keyring.token_signer().verify(token, time("2026-01-12T08:15:30Z")), Ok(claims()));
}

/// As long as format 1 is what is written, the file is reproduced to the byte. When a new format is written, this test moves on
/// to the new file; the one above stays for every file there is.
#[test]
fn format_1_is_what_is_written() {
    assert_eq!(written(), FORMAT_1);
}

fn claims() -> Claims {
    Claims::User(UserClaims {
        user_id: UserId(Uuid::from_u128(0xa1)),
        session_id: SessionId(Uuid::from_u128(0xa2)),
        access_version: 1,
        organization_id: Some(OrgId(Uuid::from_u128(0xa3))),
        sub_organization_id: None,
        auth_method: "email".to_owned(),
        is_mfa_verified: None,
        mfa_method: None,
        issued_at: time("2026-01-12T08:15:30Z"),
        expires_at: time("2026-01-22T08:15:30Z"),
    })
}

fn scope_text(scope: KeyScope) -> String {
    match scope {
        KeyScope::Instance => "instance".to_owned(),
        KeyScope::Organization(OrgId(id)) => format!("organization:{id}"),
        KeyScope::Project(ProjectId(id)) => format!("project:{id}"),
    }
}

/// The golden file as today's code writes it.
fn written() -> String {
    let entropy = SeededEntropy::new(20_260_112);
    let mut file = String::new();
    let root = RootKey::generate(&entropy);
    writeln!(file, "root-key base64={}", root.to_base64().expose()).unwrap();

    let keyring_key = |file: &mut String, key: &SealedKeyringKey| {
        let sealed = hex::encode(key.sealed.as_bytes());
        writeln!(file, "keyring-key number={} sealed={sealed}", key.number).unwrap();
    };
    let data_key = |file: &mut String, keyring: &Keyring, id: u128, scope: KeyScope, number: u32| -> DataKey {
        let (key, sealed) = keyring.create_data_key(row(id), scope, number, &entropy);
        let (scope, row, sealed) = (scope_text(scope), row(id), hex::encode(sealed.as_bytes()));
        writeln!(file, "data-key scope={scope} row={row} number={number} sealed={sealed}").unwrap();
        key
    };
    let value = |file: &mut String, key: &DataKey, context: SealContext, plaintext: &[u8]| {
        let sealed = DataKeys::from(key.clone()).seal(context, plaintext, &entropy);
        let SealContext {
            purpose,
            scope,
            row,
            version,
        } = context;
        let (purpose, scope) = (purpose as u16, scope_text(scope));
        let (plaintext, sealed) = (hex::encode(plaintext), hex::encode(sealed.as_bytes()));
        writeln!(
            file,
            "value purpose={purpose} scope={scope} row={row} version={version} plaintext={plaintext} sealed={sealed}"
        )
        .unwrap();
    };

    let (first, sealed) = Keyring::create(&root, &entropy);
    keyring_key(&mut file, &sealed);
    let (second, sealed) = first.add_key(&root, &entropy);
    keyring_key(&mut file, &sealed);

    let instance = data_key(&mut file, &first, 0xd1, KeyScope::Instance, 1);
    let organization = data_key(&mut file, &first, 0xd2, ORGANIZATION, 1);
    let project_1 = data_key(&mut file, &first, 0xd3, PROJECT, 1);
    let project_2 = data_key(&mut file, &second, 0xd4, PROJECT, 2);

    for (version, purpose) in (0..).zip(PURPOSES) {
        let context = SealContext {
            purpose,
            scope: PROJECT,
            row: Uuid::from_u128(0xe1),
            version,
        };
        let key = if version % 2 == 0 { &project_1 } else { &project_2 };
        value(&mut file, key, context, b"sk-or-v1-EXAMPLE");
    }
    let context = |purpose, key: &DataKey| SealContext {
        purpose,
        scope: key.scope(),
        row: Uuid::from_u128(u128::MAX),
        version: u64::MAX,
    };
    value(&mut file, &instance, context(Purpose::ConnectionCredentials, &instance), b"");
    value(
        &mut file,
        &organization,
        context(Purpose::ConnectionCredentials, &organization),
        "pässword \u{1f511}".as_bytes(),
    );
    let long: Vec<u8> = (0..=u8::MAX).collect();
    value(&mut file, &project_2, context(Purpose::SecretValue, &project_2), &long);

    let token = second.token_signer().sign(&claims());
    writeln!(file, "access-token token={}", token.expose()).unwrap();
    file
}
