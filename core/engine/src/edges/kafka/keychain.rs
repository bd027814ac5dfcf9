//! Secrets that stand in the system's keychain instead of a file:
//! `sasl.password=keychain:SERVICE/ACCOUNT`. Looked up when settings are read, and
//! kept in memory only. On Linux the keychain is the Secret Service (GNOME Keyring,
//! `KWallet`, `KeePassXC`), spoken to without libdbus; an entry is known there by its
//! attributes `service` and `username`.

use keyring::Error;

/// How the name of an entry begins.
const PREFIX: &str = "keychain:";

/// Gives the secret of a service and an account.
pub(super) type Keychain = dyn Fn(&str, &str) -> Result<String, Error>;

/// The system's own.
///
/// # Errors
/// It cannot be asked, or has no such entry.
pub(super) fn system(service: &str, account: &str) -> Result<String, Error> {
    keyring::Entry::new(service, account)?.get_password()
}

/// What a value means: itself, or the secret of the entry that it names; `None`:
/// it names none.
///
/// # Errors
/// What is wrong with the entry, by its name; never with a secret.
pub(super) fn named(value: &str, keychain: &Keychain) -> Option<Result<String, String>> {
    let name = value.strip_prefix(PREFIX)?;
    Some(match name.split_once('/') {
        Some((service, account)) if !service.is_empty() && !account.is_empty() => {
            keychain(service, account).map_err(|error| {
                format!("keychain entry {name}: {}", why(&error, service, account))
            })
        }
        // What stands there may be a password that begins like this.
        _ => Err(format!("write {PREFIX}SERVICE/ACCOUNT")),
    })
}

/// An error without what the entry holds: some carry it.
fn why(error: &Error, service: &str, account: &str) -> String {
    let absent = |cause: &dyn std::fmt::Display| {
        format!(
            "the keychain of this session does not answer ({cause}): start one (GNOME Keyring, \
             KWallet), or write the secret into a file that only its user may read"
        )
    };
    match error {
        Error::NoEntry => format!(
            "there is none; store it first, on Linux with: secret-tool store \
             --label='{service}/{account}' service '{service}' username '{account}'"
        ),
        Error::NoStorageAccess(cause) => {
            format!("the keychain cannot be opened ({cause}): unlock it and start again")
        }
        Error::PlatformFailure(cause) => absent(cause),
        Error::NoDefaultStore => match keyring::Entry::store_status() {
            Err(cause) => absent(cause),
            Ok(()) => absent(error),
        },
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "what it holds is no text".to_owned(),
        Error::Ambiguous(entries) => {
            format!("{} entries have this service and account: leave one", entries.len())
        }
        Error::TooLong(what, most) => format!("its {what} is longer than {most} characters"),
        Error::Invalid(what, why) => format!("its {what} cannot be used: {why}"),
        _ => "this system's keychain cannot give it".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use keyring_core::api::CredentialStoreApi as _;
    use keyring_core::mock::{Cred, Store};

    use super::*;

    /// A keychain with one entry, `kafka/me`, and the error that it gives next.
    pub fn with_entry(secret: &str, error: Option<Error>) -> Box<Keychain> {
        let store: Arc<Store> = Store::new().unwrap();
        let entry = store.build("kafka", "me", None).unwrap();
        entry.set_password(secret).unwrap();
        if let Some(error) = error {
            entry.as_any().downcast_ref::<Cred>().unwrap().set_error(error);
        }
        Box::new(move |service, account| store.build(service, account, None)?.get_password())
    }

    #[test]
    fn an_entry_s_secret_stands_for_its_name() {
        let keychain = with_entry("hunter2", None);
        assert_eq!(named("hunter3", &*keychain), None);
        assert_eq!(named("keychain:kafka/me", &*keychain), Some(Ok("hunter2".to_owned())));
        for value in ["keychain:", "keychain:kafka", "keychain:/me", "keychain:kafka/"] {
            let error = named(value, &*keychain).unwrap().unwrap_err();
            assert_eq!(error, "write keychain:SERVICE/ACCOUNT", "{value}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_named_without_the_secret() {
        let none = with_entry("hunter2", None);
        let error = named("keychain:kafka/you", &*none).unwrap().unwrap_err();
        assert!(error.starts_with("keychain entry kafka/you: there is none"), "{error}");
        assert!(error.contains("service 'kafka' username 'you'"), "{error}");
        let cause = || Box::<dyn std::error::Error + Send + Sync>::from("is locked");
        for (given, said) in [
            (Error::NoStorageAccess(cause()), "(is locked): unlock it"),
            (Error::PlatformFailure(cause()), "does not answer (is locked)"),
            (Error::BadEncoding(b"hunter2".to_vec()), "is no text"),
            (Error::BadDataFormat(b"hunter2".to_vec(), cause()), "is no text"),
        ] {
            let keychain = with_entry("hunter2", Some(given));
            let error = named("keychain:kafka/me", &*keychain).unwrap().unwrap_err();
            assert!(error.starts_with("keychain entry kafka/me: "), "{error}");
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }
}
