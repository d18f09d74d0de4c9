//! `cloud show`

use crate::app::App;
use crate::args::{ShowCloud, given};
use crate::az::{cloud, endpoints};
use crate::output::{self, Shape};
use crate::program;
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &ShowCloud) -> Result<(), Failure> {
    let cloud = match given(&typed.name) {
        // Azure CLI shows a cloud by its exact name, and sets it by any.
        Some(name) if program::is_az() => cloud::all(&app.config)?
            .into_iter()
            .find(|cloud| cloud.name == name)
            .ok_or_else(|| cloud::unknown(&app.config, name))?,
        Some(name) => cloud::named(&app.config, name)?,
        None => app.cloud.clone(),
    };
    for shown in endpoints::shown([&cloud], &app.cloud.name)? {
        output::print(&typed.output, shown, Shape::Value)?;
    }
    Ok(())
}
