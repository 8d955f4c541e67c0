//! The homewatch program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    homewatch::cli::main()
}
