//! Revocation (RFC 7009).

use super::authorization;
use crate::{Authority, Ended, OAuthError, SeenRequest, answer::Answer, state::State};

pub(super) fn answer(state: &State, request: &SeenRequest) -> Result<Answer, OAuthError> {
    state.change(|memory| {
        if !memory.settings.revocation {
            return Ok(Answer::empty(404));
        }
        let client = authorization::client(state, memory, request, Authority::OpenIdConnect)?;
        let Some(token) = request.field("token") else {
            return Err(OAuthError::new("invalid_request").description("There is no token to revoke."));
        };
        if let Some(family) = memory.families.of(token).map(|family| (family.id, family.client_id.clone())) {
            let (id, client_id) = family;
            if client_id != client.id {
                return Err(
                    OAuthError::new("unauthorized_client").description("It is another client's token.")
                );
            }
            if memory.families.end(id, Ended::Revoked) {
                memory.counts.families_signed_out += 1;
            }
        } else {
            memory.access_tokens.remove(token);
        }
        // A token that is not valid is no error (section 2.2): what the client wants is so already.
        Ok(Answer::empty(200))
    })
}
