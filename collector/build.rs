//! Makes the gRPC services of `proto/`, without protoc: there is nothing to install and nothing to regenerate.

use std::error::Error;
use std::path::PathBuf;

const FOLDER: &str = "../proto";
const FILES: [&str; 2] = ["ingest.proto", "click_count_app.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={FOLDER}");
    let mut compiler = protox::Compiler::new([FOLDER])?;
    // The comments become those of the Rust types.
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(FILES)?;
    // What server reflection tells.
    let described = PathBuf::from(std::env::var("OUT_DIR")?).join("services.bin");
    std::fs::write(described, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // Who connects, and how, is the caller's own business.
        .build_transport(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
