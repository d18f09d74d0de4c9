//! The issuer's own controls over HTTP, for tests in other processes. Bodies are JSON.
//!
//! | request | does |
//! |---|---|
//! | `GET state` | everything below at once |
//! | `GET counts`, `requests`, `families`, `device-codes`, `faults`, `settings`, `ca.pem` | shows that |
//! | `GET await?refreshes=3&token=5` | answers with the counts once each is at least so large; a route's name counts its requests |
//! | `POST settings {"rotation": "strict", …}` | changes those settings alone |
//! | `POST approve`, `decline`, `expire` `{"user_code", "user"?}` | decides about a device code |
//! | `POST sign-in {"authority", "account", "client_id", "scopes"}` | makes a family, gives its refresh token |
//! | `POST end-sign-ins {"account"}` | ends all families of the account |
//! | `POST refresh-token {"token"}`, `access-token {"token"}` | what it is worth |
//! | `POST faults {"on"?: {"route", "grant_type"?, "tenant"?, "client_id"?}, "fault", "times"?}` | queues a fault, once for any request unless said otherwise |
//! | `DELETE faults` | clears them |
//! | `POST hold {"route", …}`, `let-pass {"requests"}`, `release {}` | the gate |
//! | `POST reset {}` | counts from zero |

use std::sync::Arc;

use hyper::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{Authority, Decision, Fault, Matching, Route, Times, answer::Answer, gate::Gate, state::State};

/// Answers `/_control/{path}`. No fault or gate ever touches these.
pub(crate) async fn answer(
    state: &Arc<State>,
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Answer {
    let answer = match (method.as_str(), path) {
        ("GET", "await") => wait(state, query.unwrap_or_default()).await,
        ("GET", path) => show(state, path),
        ("POST", path) => change(state, path, body),
        ("DELETE", "faults") => {
            state.change(|memory| memory.faults.clear());
            Ok(json!({}))
        }
        _ => Err(Refused::NotFound),
    };
    match answer {
        Ok(value) => Answer::json(200, &value),
        Err(Refused::NotFound) => Answer::json(404, &json!({ "error": "there is no such control" })),
        Err(Refused::Malformed(why)) => Answer::json(400, &json!({ "error": why })),
    }
}

enum Refused {
    NotFound,
    Malformed(String),
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

fn show(state: &State, path: &str) -> Result<Value, Refused> {
    let memory = state.read();
    Ok(match path {
        "state" => json!({
            "base_url": state.base,
            "oidc_issuer": state.oidc_issuer(),
            "settings": memory.settings,
            "counts": memory.counts,
            "families": memory.families.all(),
            "device_codes": memory.device_codes.states(),
            "faults": memory.faults.waiting(),
        }),
        "counts" => json!(memory.counts),
        "settings" => json!(memory.settings),
        "families" => json!(memory.families.all()),
        "device-codes" => json!(memory.device_codes.states()),
        "faults" => json!(memory.faults.waiting()),
        "requests" => json!(memory.requests.iter().map(|request| &**request).collect::<Vec<_>>()),
        "ca.pem" => json!(state.tls.as_ref().map(|tls| &tls.ca_pem)),
        _ => return Err(Refused::NotFound),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserCode {
    user_code: String,
    #[serde(default)]
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    account: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    authority: Authority,
    account: String,
    client_id: String,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requests {
    requests: usize,
}

#[derive(Deserialize)]
struct NewFault {
    #[serde(default = "any")]
    on: Matching,
    fault: Fault,
    #[serde(default = "once")]
    times: Times,
}

fn any() -> Matching {
    Route::Any.into()
}

fn once() -> Times {
    Times::Once
}

fn change(state: &State, path: &str, body: &[u8]) -> Result<Value, Refused> {
    match path {
        "settings" => {
            let changes: Value = parse(body)?;
            let Value::Object(changes) = changes else {
                return Err(Refused::Malformed("settings are an object".into()));
            };
            return state.change(|memory| {
                let mut settings = serde_json::to_value(&memory.settings)?;
                for (name, value) in changes {
                    settings[name] = value;
                }
                memory.settings = serde_json::from_value(settings.clone())?;
                Ok(settings)
            });
        }
        "approve" => return decide(state, Decision::Approve, body),
        "decline" => return decide(state, Decision::Decline, body),
        "expire" => return decide(state, Decision::Expire, body),
        "sign-in" => {
            let SignIn { authority, account, client_id, scopes } = parse(body)?;
            return state.change(|memory| {
                let subject = memory
                    .settings
                    .world
                    .subject(Some(&account))
                    .ok_or_else(|| Refused::Malformed("the world has no such user".into()))?;
                let (family, token) =
                    memory.families.sign_in(authority, subject, &client_id, scopes, &mut memory.counts);
                Ok(json!({ "family": family, "refresh_token": token }))
            });
        }
        "refresh-token" => {
            let Token { token } = parse(body)?;
            return Ok(json!({ "state": state.read().families.state(&token) }));
        }
        "access-token" => {
            let Token { token } = parse(body)?;
            return Ok(json!(state.read().access_tokens.get(&token)));
        }
        "end-sign-ins" => {
            let Account { account } = parse(body)?;
            state.change(|memory| memory.end_sign_ins(&account));
        }
        "faults" => {
            let NewFault { on, fault, times } = parse(body)?;
            state.change(|memory| memory.faults.push(on, fault, times));
        }
        "hold" => {
            let holds = parse(body)?;
            state.change(|memory| memory.gate = Some(Gate::new(holds)));
        }
        "let-pass" => {
            let Requests { requests } = parse(body)?;
            if let Some(gate) = &state.read().gate {
                gate.let_pass(requests);
            }
        }
        "release" => state.change(|memory| memory.gate = None),
        "reset" => state.change(|memory| {
            memory.counts.reset();
            memory.requests.clear();
        }),
        _ => return Err(Refused::NotFound),
    }
    Ok(json!({}))
}

fn decide(state: &State, decision: Decision, body: &[u8]) -> Result<Value, Refused> {
    let UserCode { user_code, user } = parse(body)?;
    let found = state.change(|memory| memory.device_codes.decide(&user_code, decision, user.as_deref()));
    if found { Ok(json!({})) } else { Err(Refused::Malformed("no such user code waits".into())) }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    Ok(serde_json::from_slice(body)?)
}

/// `await?refreshes=3`: answers with the counts once each of those named is at least so large.
async fn wait(state: &State, query: &str) -> Result<Value, Refused> {
    let mut wanted = Vec::new();
    for (name, least) in form_urlencoded::parse(query.as_bytes()) {
        let least: u64 = least.parse().map_err(|_| Refused::Malformed(format!("{name} is not a number")))?;
        // `token` stands for the requests of that route.
        wanted.push((name.into_owned(), least));
    }
    let counts = json!(state.read().counts);
    let count =
        |counts: &Value, name: &str| counts[name].as_u64().or_else(|| counts["requests"][name].as_u64());
    for (name, _) in &wanted {
        let route = serde_json::from_value::<Route>(json!(name)).is_ok();
        if !route && !counts[name].is_u64() {
            return Err(Refused::Malformed(format!("there is no count '{name}'")));
        }
    }
    Ok(state
        .until(|memory| {
            let counts = json!(memory.counts);
            let reached = wanted.iter().all(|(name, least)| count(&counts, name).unwrap_or(0) >= *least);
            reached.then_some(counts)
        })
        .await)
}
