//! `get`: the bare token

use crate::app::App;
use crate::args::{Get, given};
use crate::command::get_access_token::{Target, answer};
use crate::output::Shape;
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Get) -> Result<(), Failure> {
    let target = given(&typed.target).map_or(Target::Unnamed, Target::Named);
    let answer = answer(app, &typed.request, target)?;
    answer.print(&typed.output, Shape::Text(&format!("{}\n", answer.token.secret.expose())))
}
