// SPDX-License-Identifier: Apache-2.0

//! Loads the program `fails` of an object with aya, and prints what it says as {} and as {:?}.

use aya::{
    programs::{ProgramError, Xdp},
    Ebpf,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).expect("an object");
    let mut ebpf = Ebpf::load_file(path)?;
    let program: &mut Xdp = ebpf.program_mut("fails").expect("it is there").try_into()?;
    let refused: ProgramError = program.load().expect_err("it is refused");
    println!("{refused}");
    eprintln!("{refused:?}");
    Ok(())
}
