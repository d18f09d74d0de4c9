//! From an issuer's refusal to its cause and to what helps: one table for everybody.
//!
//! Microsoft says that its numbers may change, so nothing is decided by them: they only say more to people. A refusal
//! that is not in the table stands in the issuer's own words.

use crate::oauth_error::OAuthError;

/// What is known about a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advice {
    /// What is behind it, where the issuer's words leave that open; a clause without a full stop.
    pub cause: Option<&'static str>,
    /// What helps.
    pub remedy: Remedy,
}

/// What helps against a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Remedy {
    /// A person signs in again.
    SignIn,
    /// The same sign-in, made once more.
    StartAgain,
    /// Another proof of the client: its secret, certificate or assertion.
    ClientProof,
    /// The client's id, or how it is registered.
    Client,
    /// Whoever administers the tenant, or runs the issuer, allows it.
    Administrator,
    /// Another scope or resource.
    Scope,
    /// Another tenant.
    Tenant,
    /// This host's clock.
    Clock,
    /// Another way to sign in than with a code.
    NoDeviceCode,
    /// A device or program that the tenant manages.
    ManagedDevice,
    /// Some time.
    Wait,
}

impl OAuthError {
    /// What is known about this refusal; `None` for what is not in the table.
    pub fn advice(&self) -> Option<Advice> {
        let is = |row: &&Row| match row.0 {
            When::Number(number) => self.number() == Some(number),
            When::Suberror(suberror) => self.suberror.as_deref() == Some(suberror),
            When::Error(error) => self.error == error,
        };
        TABLE.iter().find(is).map(|&Row(_, remedy, cause)| Advice {
            cause: Some(cause).filter(|cause| !cause.is_empty()),
            remedy,
        })
    }

    /// The number in a text of Microsoft's: 70043 in `AADSTS70043: …`.
    pub fn number(&self) -> Option<u32> {
        let text = self.description.as_deref()?.trim_start().strip_prefix("AADSTS")?;
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse().ok()
    }
}

/// What a row is about. The finer ones stand first.
enum When {
    /// Microsoft's number.
    Number(u32),
    /// Microsoft's suberror.
    Suberror(&'static str),
    /// The error of RFC 6749 and its siblings.
    Error(&'static str),
}

struct Row(When, Remedy, &'static str);

use When::{Error, Number, Suberror};

const TABLE: &[Row] = &[
    // The client, and how it proves itself.
    Row(
        Number(7_000_215),
        Remedy::ClientProof,
        "the secret is wrong; its value is wanted, which is shown once, and not its id",
    ),
    Row(Number(7_000_222), Remedy::ClientProof, "the secret has expired"),
    Row(
        Number(7_000_218),
        Remedy::Client,
        "the client takes no sign-in without a proof; its registration may allow public client flows",
    ),
    Row(Number(700_027), Remedy::ClientProof, "the application does not know this certificate"),
    Row(Number(700_024), Remedy::Clock, "the assertion is not valid at the time that the issuer has"),
    Row(Number(700_007), Remedy::SignIn, "the sign-in was made with another client"),
    Row(Number(700_016), Remedy::Client, "the tenant has no application with this client id"),
    Row(Number(70_021), Remedy::ClientProof, "no federated credential of the application matches the token"),
    Row(Number(700_211), Remedy::ClientProof, "no federated credential names the issuer of the token"),
    Row(Number(700_212), Remedy::ClientProof, "no federated credential names the audience of the token"),
    Row(Number(700_213), Remedy::ClientProof, "no federated credential names the subject of the token"),
    Row(Number(50_011), Remedy::Client, "the redirect URI is not registered for the client"),
    // Where and what.
    Row(Number(90_002), Remedy::Tenant, "there is no such tenant in this cloud"),
    Row(Number(50_020), Remedy::Tenant, "the account is no member of the tenant"),
    Row(Number(50_034), Remedy::Tenant, "the tenant does not know the account"),
    Row(Number(500_011), Remedy::Scope, "the tenant does not know the resource"),
    Row(Number(70_011), Remedy::Scope, "the scope is not in form, or not one of its resource"),
    Row(Number(65_001), Remedy::SignIn, "nobody has consented to this yet"),
    Row(Number(65_004), Remedy::StartAgain, "consent was declined"),
    Row(Number(90_094), Remedy::Administrator, "only an administrator can consent to this"),
    Row(Number(50_105), Remedy::Administrator, "the account is not assigned to the application"),
    // The person, and what a policy wants.
    Row(Number(50_076), Remedy::SignIn, "a second factor is wanted"),
    Row(Number(50_079), Remedy::SignIn, "a second factor has to be set up"),
    Row(Number(50_078), Remedy::SignIn, "the second factor was too long ago"),
    Row(Number(50_173), Remedy::SignIn, "the password was changed, or an administrator ended the sign-in"),
    Row(Number(70_043), Remedy::SignIn, "a policy limits how long a sign-in lasts"),
    Row(Number(70_044), Remedy::SignIn, "a policy limits how long a sign-in lasts"),
    Row(Number(700_082), Remedy::SignIn, "nobody used the sign-in for too long"),
    Row(Number(700_084), Remedy::SignIn, "the sign-in had a fixed end, which has passed"),
    Row(Number(50_126), Remedy::SignIn, "the user name or the password is wrong"),
    Row(Number(50_057), Remedy::Administrator, "the account is disabled"),
    Row(Number(50_053), Remedy::Wait, "the account is locked after too many attempts"),
    Row(Number(50_055), Remedy::SignIn, "the password has expired"),
    Row(Number(53_000), Remedy::ManagedDevice, "a policy wants a device that complies with it"),
    Row(Number(53_001), Remedy::ManagedDevice, "a policy wants a device that is joined to the tenant"),
    Row(Number(53_003), Remedy::NoDeviceCode, "a policy blocks this sign-in; many block device codes"),
    Row(Number(50_199), Remedy::NoDeviceCode, "the person has to confirm the sign-in in a browser"),
    // The issuer's own state.
    Row(Number(90_033), Remedy::Wait, "the issuer has trouble of its own"),
    Row(Number(90_055), Remedy::Wait, "the tenant sends too many requests"),
    Row(Number(50_196), Remedy::Wait, "the issuer saw the same request again and again"),
    Row(Suberror("bad_token"), Remedy::SignIn, ""),
    Row(Suberror("token_expired"), Remedy::SignIn, ""),
    Row(Suberror("client_mismatch"), Remedy::SignIn, "the sign-in was made with another client"),
    Row(Suberror("basic_action"), Remedy::SignIn, "something has to be done in a browser"),
    Row(Suberror("additional_action"), Remedy::SignIn, "something has to be done in a browser"),
    Row(Suberror("message_only"), Remedy::SignIn, "the issuer has a message, which a browser shows"),
    Row(Suberror("consent_required"), Remedy::SignIn, "nobody has consented to this yet"),
    Row(Suberror("user_password_expired"), Remedy::SignIn, "the password has expired"),
    Row(
        Suberror("protection_policy_required"),
        Remedy::ManagedDevice,
        "a policy wants a program that the tenant manages",
    ),
    Row(Suberror("device_authentication_failed"), Remedy::ManagedDevice, "the device could not prove itself"),
    // What every issuer says.
    Row(Error("access_denied"), Remedy::StartAgain, ""),
    Row(Error("authorization_declined"), Remedy::StartAgain, ""),
    Row(Error("expired_token"), Remedy::StartAgain, ""),
    Row(Error("bad_verification_code"), Remedy::StartAgain, ""),
    Row(Error("invalid_grant"), Remedy::SignIn, ""),
    Row(Error("interaction_required"), Remedy::SignIn, ""),
    Row(Error("login_required"), Remedy::SignIn, ""),
    Row(Error("consent_required"), Remedy::SignIn, ""),
    Row(Error("account_selection_required"), Remedy::SignIn, ""),
    Row(Error("insufficient_user_authentication"), Remedy::SignIn, ""),
    Row(Error("invalid_client"), Remedy::ClientProof, ""),
    Row(Error("unauthorized_client"), Remedy::Client, ""),
    Row(Error("unsupported_grant_type"), Remedy::Client, ""),
    Row(Error("unsupported_response_type"), Remedy::Client, ""),
    Row(Error("invalid_request"), Remedy::Scope, ""),
    Row(Error("invalid_scope"), Remedy::Scope, ""),
    Row(Error("invalid_target"), Remedy::Scope, ""),
    Row(Error("invalid_resource"), Remedy::Scope, ""),
    Row(Error("temporarily_unavailable"), Remedy::Wait, ""),
    Row(Error("server_error"), Remedy::Wait, ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn error(error: &str, description: &str) -> OAuthError {
        OAuthError {
            error: error.to_owned(),
            description: Some(description.to_owned()),
            ..OAuthError::default()
        }
    }

    #[test]
    fn the_finest_word_of_the_issuer_counts() {
        let refusal = error("invalid_grant", "AADSTS50076: Due to a configuration change …");
        let advice = refusal.advice().unwrap();
        assert_eq!((advice.remedy, advice.cause), (Remedy::SignIn, Some("a second factor is wanted")));
        let refusal = OAuthError {
            suberror: Some("device_authentication_failed".to_owned()),
            ..error("invalid_grant", "AADSTS1: New.")
        };
        assert_eq!(refusal.advice().unwrap().remedy, Remedy::ManagedDevice);
        assert_eq!(
            error("invalid_grant", "AADSTS1: New.").advice(),
            Some(Advice { cause: None, remedy: Remedy::SignIn })
        );
        assert_eq!(error("flux_required", "Reverse the polarity.").advice(), None);
    }

    #[test]
    fn numbers_are_microsofts_alone() {
        assert_eq!(error("x", "AADSTS7000215: Invalid client secret.").number(), Some(7_000_215));
        for text in ["AADSTS: none", "see AADSTS70043", "AADSTS99999999999999: too many", ""] {
            assert_eq!(error("x", text).number(), None, "{text}");
        }
    }

    #[test]
    fn every_number_that_sign_ins_are_known_to_meet_has_its_cause() {
        let numbers = [
            50_053, 50_055, 50_057, 50_126, 50_173, 50_196, 65_001, 70_011, 70_021, 70_043, 90_002, 90_033,
            90_055, 500_011, 700_007, 700_016, 700_024, 700_027, 700_082, 700_084, 700_211, 700_212, 700_213,
            7_000_215, 7_000_218, 7_000_222,
        ];
        for number in numbers {
            let refusal = error("flux_required", &format!("AADSTS{number}: In Microsoft's words."));
            assert!(refusal.advice().is_some_and(|advice| advice.cause.is_some()), "{number}");
        }
    }

    #[test]
    fn no_row_hides_another() {
        let name = |row: &Row| match row.0 {
            Number(number) => number.to_string(),
            Suberror(text) | Error(text) => text.to_owned(),
        };
        let names: Vec<String> = TABLE.iter().map(name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        // A suberror may be called like an error.
        assert_eq!(names.len() - unique.len(), 1, "only consent_required stands twice");
    }
}
