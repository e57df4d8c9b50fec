//! What tests make and keep in pages of the documentation: tables, pictures.

use std::path::Path;

/// Holds what stands in a page between two comments, `NAME: made by MAKER` and `end of NAME`, to what was made now; `MOMENTS_UPDATE_DOCS=1`
/// writes it there.
///
/// # Panics
/// If it is something else, or the page has no such comments.
#[track_caller]
pub fn is_up_to_date(page: &str, (name, maker): (&str, &str), made: &str) {
    let begin = format!("<!-- {name}: made by {maker} -->\n");
    let end = format!("<!-- end of {name} -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).expect("text");
    let (before, rest) = text.split_once(&begin).expect("the beginning");
    let (found, after) = rest.split_once(&end).expect("the end");
    if found != made && std::env::var_os("MOMENTS_UPDATE_DOCS").is_some() {
        let new = format!("{before}{begin}{made}{end}{after}");
        std::fs::write(&path, new).expect("written");
        return;
    }
    assert_eq!(
        found, made,
        "{page} says otherwise; where that is meant, MOMENTS_UPDATE_DOCS=1 cargo test --test it -- up_to_date writes it anew"
    );
}
