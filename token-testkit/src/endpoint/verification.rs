//! The page where a person types a user code and says yes or no (RFC 8628 section 3.3).

use crate::{Decision, SeenRequest, answer::Answer, state::State};

pub(super) fn answer(state: &State, request: &SeenRequest) -> Answer {
    let field = |name: &str| request.field(name).or_else(|| request.query.get(name).map(String::as_str));
    let Some(user_code) = field("user_code").filter(|code| !code.is_empty()) else {
        return Answer::html(200, &form(&request.path, ""));
    };
    // A link alone decides nothing; a person, or whoever plays one, says what is wanted.
    let decision = match field("decision") {
        Some("approve") => Decision::Approve,
        Some("decline") => Decision::Decline,
        _ => return Answer::html(200, &form(&request.path, user_code)),
    };
    match state.change(|memory| memory.device_codes.decide(user_code, decision, field("user"))) {
        true if decision == Decision::Approve => Answer::html(200, "<h1>You are signed in</h1>"),
        true => Answer::html(200, "<h1>You declined</h1>"),
        false => Answer::html(404, "<h1>That code is not valid</h1>"),
    }
}

fn form(path: &str, user_code: &str) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        r#"<h1>Sign in</h1>
<form method="post" action="{}">
<label>Code <input name="user_code" value="{}" autofocus></label>
<button name="decision" value="approve">Approve</button>
<button name="decision" value="decline">Decline</button>
</form>"#,
        escape(path),
        escape(user_code)
    )
}
