//! The program: everything is in the library, and its outermost module is the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    datamake::cli::main()
}
