//! What a browser that takes brotli downloads from the shop.

use super::budget::Row;
use super::table::{Result, Trial};
use super::{Bench, generator, storefront};
use anyhow::{Context as _, ensure};
use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use std::net::SocketAddr;
use std::path::Path;

/// Asks a shop for its front page and for every file of its bundle, and counts the bytes that come.
pub async fn measure(bench: &Bench) -> anyhow::Result<Result> {
    let bundle = bundle(&bench.site);
    let trial = match bundle {
        Ok(files) => {
            let mut running = storefront::open(bench, "sizes").await?;
            let page = downloaded(running.addr, "/").await?;
            let (mut wasm, mut all) = (0, page);
            for file in files {
                let bytes = downloaded(running.addr, &format!("/pkg/{file}")).await?;
                all += bytes;
                if has_ending(&file, "wasm") {
                    wasm += bytes;
                }
            }
            let deadline = std::time::Duration::from_secs(15);
            running.shop.terminate(deadline).await?;
            running.world.clear().await;
            Trial {
                values: vec![kilobytes(wasm), kilobytes(all)],
                ..Trial::default()
            }
        }
        Err(error) => Trial {
            values: vec![f64::NAN; 2],
            void: vec![format!("{error:#}")],
            ..Trial::default()
        },
    };
    Ok(Result {
        budget: Row::Sizes.budget(),
        trials: vec![trial],
    })
}

/// The files that a first visit loads beside the page.
fn bundle(site: &Path) -> anyhow::Result<Vec<String>> {
    let package = site.join("pkg");
    let files = std::fs::read_dir(&package).with_context(|| {
        format!(
            "there is no bundle in {}: start_script.sh builds one, --site names another folder",
            package.display()
        )
    })?;
    let names = files
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let loaded = ["wasm", "js", "css"];
    let names: Vec<String> = names
        .filter(|name| loaded.iter().any(|ending| has_ending(name, ending)))
        .collect();
    let wasm = names.iter().any(|name| has_ending(name, "wasm"));
    ensure!(wasm, "no WASM in {}", package.display());
    Ok(names)
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == ending)
}

/// The bytes of an answer's body as it comes over the wire.
async fn downloaded(addr: SocketAddr, path: &str) -> anyhow::Result<usize> {
    let mut shot = generator::get(path);
    let brotli = HeaderValue::from_static("br");
    shot.headers_mut().insert(ACCEPT_ENCODING, brotli);
    let (status, body) = generator::ask(addr, shot).await?;
    ensure!(status.is_success(), "{path} answers {status}");
    Ok(body.len())
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn kilobytes(bytes: usize) -> f64 {
    bytes as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_visit_loads_the_bundle_and_neither_its_twins_nor_its_types() {
        let site = tempfile::tempdir().unwrap();
        assert!(bundle(site.path()).is_err());
        let package = site.path().join("pkg");
        std::fs::create_dir(&package).unwrap();
        std::fs::write(package.join("app.x.js"), "").unwrap();
        assert!(bundle(site.path()).is_err(), "no WASM");
        for name in ["app.x.wasm", "app.x.wasm.br", "app.d.y.ts", "app.z.css"] {
            std::fs::write(package.join(name), "").unwrap();
        }
        let mut found = bundle(site.path()).unwrap();
        found.sort();
        assert_eq!(found, ["app.x.js", "app.x.wasm", "app.z.css"]);
    }
}
