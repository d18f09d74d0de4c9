//! A QR code drawn with letters, two of its rows in each line.

use qrcode::{Color, EcLevel, QrCode};

/// The light modules around it that a camera finds it by. The standard has four, and two do.
const MARGIN: usize = 2;

/// Draws a text; `None` where a line of it would not fit into so many columns, or the text is too long for any code.
///
/// With colours it is black on white. Without them the light modules are drawn, which is right on a dark terminal;
/// cameras read the inverse too, most of them.
pub(crate) fn drawn(text: &str, columns: usize, colours: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let size = code.width() + 2 * MARGIN;
    if size > columns {
        return None;
    }
    let modules = code.to_colors();
    let is_dark = |x: usize, y: usize| {
        let within = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < code.width());
        match (within(x), within(y)) {
            (Some(x), Some(y)) => modules[y * code.width() + x] == Color::Dark,
            _ => false,
        }
    };
    let mut drawn = String::new();
    for y in (0..size).step_by(2) {
        let line = (0..size).map(|x| match (is_dark(x, y) == colours, is_dark(x, y + 1) == colours) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        if colours {
            drawn.push_str("\x1b[38;5;16;48;5;231m");
        }
        drawn.extend(line);
        drawn.push_str(if colours { "\x1b[0m\n" } else { "\n" });
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three squares by which a code is found are in its corners, and nothing but light around it.
    #[test]
    fn a_code_is_drawn_as_cameras_look_for_it() {
        let drawn = drawn("https://idp.example/device?user_code=ABCD-EFGH", 80, false).unwrap();
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        let size = lines[0].len();
        assert!(lines.iter().all(|line| line.len() == size) && lines.len() == size.div_ceil(2));
        assert!(lines[0].iter().all(|&letter| letter == '█'), "the margin is light");
        let top: String = lines[1].iter().skip(MARGIN).take(7).collect();
        assert_eq!(top, " ▄▄▄▄▄ ", "a corner is a dark square in a light one in a dark one");
        let right: String = lines[1].iter().rev().skip(MARGIN).take(7).collect();
        assert_eq!(right, top);
    }

    #[test]
    fn one_that_does_not_fit_is_not_drawn() {
        assert_eq!(drawn("https://idp.example", 20, false), None);
        assert_eq!(drawn(&"x".repeat(5000), 1000, false), None);
        assert!(drawn("https://idp.example", 80, true).unwrap().starts_with("\x1b["));
    }
}
