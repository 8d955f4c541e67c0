//! What tests of things on a host have in common.

use std::fs;
use std::path::Path;

/// Writes a file of a made-up machine below `dir`, with its folders.
pub(crate) fn put(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
