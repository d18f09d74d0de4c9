//! What an API says in `WWW-Authenticate` when it wants another token (RFC 9110 §11.6.1, RFC 6750 §3), and the claims
//! challenge in it.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// One challenge of a header, which may have several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// `Bearer`, compared without case.
    pub scheme: String,
    /// Names, in lower case, and values.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The challenges of a header, in their order. What is out of form ends the challenge that it stands in, and the
    /// next one begins where a scheme follows.
    ///
    /// ```
    /// use token_core::Challenge;
    ///
    /// let header = r#"Basic realm="a, b", Bearer error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ""#;
    /// let challenges = Challenge::read(header);
    /// assert_eq!(challenges.len(), 2);
    /// assert_eq!(challenges[1].claims().as_deref(), Some(r#"{"access_token":{}}"#));
    /// ```
    pub fn read(header: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        let mut rest = header;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (name, behind) = token(rest);
            if name.is_empty() {
                // Nothing that begins like this is known: on with what is behind the next comma.
                match rest.split_once(',') {
                    Some((_, next)) => rest = next,
                    None => return challenges,
                }
                continue;
            }
            let after = behind.trim_start_matches([' ', '\t']);
            // A name with a sign of equality behind it is a parameter, any other a scheme.
            match (after.strip_prefix('=').filter(|value| !value.starts_with('=')), challenges.last_mut()) {
                (Some(value), Some(challenge)) => {
                    let (value, behind) = parameter_value(value.trim_start_matches([' ', '\t']));
                    challenge.parameters.push((name.to_ascii_lowercase(), value));
                    rest = behind;
                }
                (Some(value), None) => rest = parameter_value(value).1,
                (None, _) => {
                    challenges.push(Self { scheme: name.to_owned(), parameters: Vec::new() });
                    rest = without_token68(after);
                }
            }
        }
    }

    /// A parameter, by its name in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The claims that the API wants, for [`TokenRequest::claims`](crate::TokenRequest::claims): those of a `Bearer`
    /// challenge whose error is `insufficient_claims`, or that has claims and no error.
    pub fn claims(&self) -> Option<String> {
        let wanted = matches!(self.parameter("error"), None | Some("insufficient_claims"));
        (self.scheme.eq_ignore_ascii_case("bearer") && wanted)
            .then(|| claims_of(self.parameter("claims")?))
            .flatten()
    }
}

/// A claims challenge as it is passed on between programs: base64 of either alphabet, padded or not. `None` for what
/// is no JSON object.
pub fn claims_of(base64: &str) -> Option<String> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if base64.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let bytes = GeneralPurpose::new(alphabet, lenient).decode(base64.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    matches!(serde_json::from_str(&text), Ok(Value::Object(_))).then_some(text)
}

/// A token (RFC 9110 §5.6.2) at the start of a text, and what is behind it.
fn token(text: &str) -> (&str, &str) {
    let part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !part(c)).unwrap_or(text.len()))
}

/// A value, quoted or not, and what is behind it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        // Some write base64 without quotes, signs of equality and all.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, c)) = letters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    // The quotation does not end: this was the last of it.
    (value, "")
}

/// What is behind the single value that some schemes have in place of parameters (`Negotiate YII…=`).
fn without_token68(text: &str) -> &str {
    let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
    let (first, behind) = text.split_at(end);
    let is_parameter = first.trim_end_matches('=').contains('=') || behind.trim_start().starts_with('=');
    // A name alone, before a comma or at the end, or one that ends in padding.
    let is_token68 = !first.is_empty()
        && !is_parameter
        && (first.ends_with('=') || !behind.contains('='))
        && !first.contains('"');
    if is_token68 && (behind.is_empty() || behind.starts_with(',')) { behind } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> String {
        let challenges = Challenge::read(header);
        let shown = challenges.iter().map(|challenge| {
            let parameters = challenge.parameters.iter().map(|(name, value)| format!(" {name}={value}"));
            format!("{}{}", challenge.scheme, parameters.collect::<String>())
        });
        shown.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn headers_as_they_are_met() {
        for (header, wanted) in [
            ("", ""),
            (",, ,", ""),
            ("Bearer", "Bearer"),
            (r#"Bearer realm="", error="invalid_token""#, "Bearer realm= error=invalid_token"),
            (r#"bearer Error = invalid_token"#, "bearer error=invalid_token"),
            (
                r#"Basic realm="a, \"b\" = c", Bearer claims="eyJ9", Digest x=1,y=2"#,
                r#"Basic realm=a, "b" = c | Bearer claims=eyJ9 | Digest x=1 y=2"#,
            ),
            ("Negotiate, NTLM, Bearer error=x", "Negotiate | NTLM | Bearer error=x"),
            ("Negotiate YIIabc==, Bearer error=x", "Negotiate | Bearer error=x"),
            ("Bearer claims=eyJhIjoxfQ==, error=x", "Bearer claims=eyJhIjoxfQ== error=x"),
            (r#"Bearer claims="never ends, error=x"#, "Bearer claims=never ends, error=x"),
            (r#"Bearer claims="ends in \"#, "Bearer claims=ends in "),
            (r#"=x, Bearer a=1"#, "Bearer a=1"),
            ("ünsinn, Bearer a=1", "Bearer a=1"),
        ] {
            assert_eq!(read(header), wanted, "{header}");
        }
    }

    #[test]
    fn claims_are_those_of_a_bearer_challenge() {
        let claims = |header: &str| Challenge::read(header).iter().find_map(Challenge::claims);
        let wanted = Some(r#"{"a":">?"}"#.to_owned());
        for base64 in ["eyJhIjoiPj8ifQ==", "eyJhIjoiPj8ifQ"] {
            assert_eq!(claims_of(base64), wanted);
            let header = format!("Basic, Bearer error=\"insufficient_claims\", claims=\"{base64}\"");
            assert_eq!(claims(&header), wanted);
        }
        assert_eq!(claims("Bearer claims=eyJhIjoiPj8ifQ"), wanted);
        assert_eq!(claims("Bearer error=invalid_token, claims=eyJhIjoiPj8ifQ"), None);
        assert_eq!(claims("Digest claims=eyJhIjoiPj8ifQ"), None);
        for nonsense in ["", "!", "W10", "MQ", "e30="] {
            assert_eq!(claims_of(nonsense).as_deref(), (nonsense == "e30=").then_some("{}"), "{nonsense}");
        }
        // Both alphabets: this one has letters that differ.
        assert_eq!(claims_of("eyJhIjoi8J-Ygz8_In0").as_deref(), Some(r#"{"a":"😃??"}"#));
        assert_eq!(claims_of("eyJhIjoi8J+Ygz8/In0=").as_deref(), Some(r#"{"a":"😃??"}"#));
    }
}
