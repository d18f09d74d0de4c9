//! `cloud list`

use crate::app::App;
use crate::args::ListClouds;
use crate::az::{cloud, endpoints};
use crate::output::{self, Shape};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &ListClouds) -> Result<(), Failure> {
    let clouds = cloud::all(&app.config)?;
    let shown = endpoints::shown(&clouds, &app.cloud.name)?;
    output::print(&typed.output, shown, Shape::Value)
}
