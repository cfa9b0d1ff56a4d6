//! The shop's front page for visitors of whom no two are the same, against the same bytes from a server
//! that does nothing else.

use super::budget::{Row, Unit};
use super::generator::{self, Load, Shot};
use super::table::{Result, Trial};
use super::{Bench, bodies::Bodies};
use crate::stack::program::free_port;
use crate::stack::{Program, World, until};
use anyhow::{Context as _, ensure};
use axum::body::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, COOKIE, HeaderValue};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The page that is asked for: a category chosen, so that its options are shown.
const PAGE: &str = "/?category=shirt";

/// A shop in a world of its own.
pub struct Running {
    pub world: World,
    pub shop: Program,
    pub addr: SocketAddr,
}

/// Opens a shop that serves the site.
pub async fn open(bench: &Bench, name: &str) -> anyhow::Result<Running> {
    let world = World::make(&bench.servers, name, &bench.logs).await?;
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let spool = bench.folder.join(format!("spool-{name}"));
    let site = std::path::absolute(&bench.site)?;
    let settings = [
        ("LEPTOS_SITE_ADDR", addr.to_string()),
        ("LEPTOS_SITE_ROOT", site.display().to_string()),
        ("SPOOL_DIR", spool.display().to_string()),
        ("LEPTOS_ENV", "PROD".to_owned()),
    ];
    let shop = world.start("app", &[], "app", &settings)?;
    until("the shop is open", Duration::from_secs(30), || async {
        match generator::ask(addr, page(0)).await {
            Ok((StatusCode::OK, _)) => Ok(()),
            Ok((status, _)) => Err(status.to_string()),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await?;
    Ok(Running { world, shop, addr })
}

/// Measures the shop with its collector, which records a page view for each page as always.
pub async fn measure(bench: &Bench) -> anyhow::Result<Result> {
    let Running {
        world,
        mut shop,
        addr,
    } = open(bench, "storefront").await?;
    let load = Load {
        connections: 64,
        warm_up: bench.scale.warm_up,
        measured: bench.scale.measured,
        rate: None,
    };
    let (_, body) = generator::ask(addr, page(0)).await?;
    ensure!(body.len() > 1_000, "the page has only {} bytes", body.len());
    let constant = constant(body).await?;
    let mut trials = Vec::new();
    for _ in 0..bench.scale.trials {
        let (ceiling, _) = generator::load(constant, load, StatusCode::OK, 0, page).await?;
        let meter = bench.meter().process("app", shop.id());
        let (ours, _) = generator::load(addr, load, StatusCode::OK, 0, page).await?;
        let used = meter.read()?;
        let void = ours
            .others
            .iter()
            .map(|(status, count)| format!("{count} pages were {status}"));
        trials.push(Trial {
            values: vec![ours.rate() / ceiling.rate(), ours.rate(), f64::NAN],
            sides: Some([&ours, &ceiling].map(|one| Unit::PerSecond.show(one.rate()))),
            used,
            void: void.collect(),
        });
    }
    // The shop takes other programs' events, too; its memory is what it needed for all of this.
    let bodies = Arc::new(Bodies::events(1));
    let clicks = move |number| -> Shot { generator::post("/event", bodies.get(number)) };
    let crowd = Load {
        connections: 1_024,
        ..load
    };
    let meter = bench.meter().process("app", shop.id());
    generator::load(addr, crowd, StatusCode::ACCEPTED, 0, clicks).await?;
    let used = meter.read()?;
    let memory = used.iter().find(|used| used.process == "app");
    let memory = memory.and_then(|used| used.peak_mb);
    let memory = memory.context("the shop's memory")?;
    for trial in &mut trials {
        trial.values[2] = memory;
    }
    shop.terminate(Duration::from_secs(15)).await?;
    world.clear().await;
    Ok(Result {
        budget: Row::Storefront.budget(),
        trials,
    })
}

/// A visitor of whom there is only one.
fn page(number: u64) -> Shot {
    let mut shot = generator::get(PAGE);
    let cookie = format!(
        "username=visitor%20{number}; session_id={}",
        super::mix::id(9, number)
    );
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        shot.headers_mut().insert(COOKIE, cookie);
    }
    shot
}

/// A server of its own that answers everything with the same bytes.
async fn constant(bytes: Bytes) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let answer = move || {
        let (html, bytes) = (html.clone(), bytes.clone());
        async move { ([(CONTENT_TYPE, html)], bytes) }
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    Ok(addr)
}
