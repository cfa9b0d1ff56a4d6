//! Simulated visitors in the real shop, so many a second, until they are told to stop. Only in a shop
//! of this machine: nobody else's site is ever visited.

use crate::figures::Times;
use crate::shopper::{Shopper, Visit};
use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Url;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// More visitors than this are not in the shop at once, however slow it is.
const AT_ONCE: usize = 2_000;
/// How often the figures are shown.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How many different people there are.
const PEOPLE: usize = 5_000;

/// Who comes, and where.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// New visitors a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    visitors: u16,
    /// The shop's address; only one on this machine.
    #[arg(long, value_name = "URL", value_parser = shop_on_this_machine, default_value = "http://127.0.0.1:8501")]
    shop: Url,
    /// End by itself after so many seconds.
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// The same number sends the same visitors with the same wishes; else a random one.
    #[arg(long, value_name = "S")]
    rng_seed: Option<u64>,
}

/// Reads a shop's address, and refuses one that is not on this machine.
fn shop_on_this_machine(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| e.to_string())?;
    if url.scheme() != "http" {
        return Err("expected http://…".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let on_this_machine = address == "localhost"
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if on_this_machine {
        Ok(url)
    } else {
        Err(format!(
            "{host} is not this machine; traffic is sent to 127.0.0.0/8, [::1] and localhost only"
        ))
    }
}

/// Sends visitors until `end` is cancelled or the time is up; then waits for those in the shop.
pub async fn run(settings: Settings, end: CancellationToken) -> anyhow::Result<()> {
    let rng_seed = settings.rng_seed.unwrap_or_else(rand::random);
    let mut rng = StdRng::seed_from_u64(rng_seed);
    let mut arrivals = tokio::time::interval(Duration::from_secs(1) / u32::from(settings.visitors));
    arrivals.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut report =
        tokio::time::interval_at(tokio::time::Instant::now() + REPORT_EVERY, REPORT_EVERY);
    let closing = async {
        match settings.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(closing);
    let mut inside = JoinSet::new();
    let mut totals = Totals::default();
    let started = Instant::now();
    println!(
        "{} visitors a second in {}; Ctrl-C ends (rng seed {rng_seed})",
        settings.visitors, settings.shop
    );
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            () = &mut closing => break,
            _ = report.tick() => println!("{}", totals.line(started.elapsed(), inside.len())),
            Some(left) = inside.join_next() => totals.add(left.context("a visitor")?),
            _ = arrivals.tick() => {
                if inside.len() >= AT_ONCE {
                    totals.turned_away += 1;
                    continue;
                }
                let own = StdRng::seed_from_u64(rng.random());
                let shopper = Shopper::new(settings.shop.clone(), rng.random_range(0..PEOPLE), own)?;
                inside.spawn(shopper.walk());
                totals.came += 1;
            }
        }
    }
    println!("closing; {} visitors finish their way", inside.len());
    while let Some(left) = inside.join_next().await {
        totals.add(left.context("a visitor")?);
    }
    println!("{}", totals.line(started.elapsed(), 0));
    totals.verdict()
}

/// What all visits came to.
#[derive(Debug, Default)]
struct Totals {
    came: usize,
    left: usize,
    turned_away: usize,
    pages: usize,
    added: usize,
    bought: usize,
    add_times: Times,
    /// How many visits ended badly, by the reason.
    failed: BTreeMap<String, usize>,
}

impl Totals {
    fn add(&mut self, (visit, walked): (Visit, anyhow::Result<()>)) {
        self.left += 1;
        self.pages += visit.pages;
        self.added += visit.added;
        self.bought += visit.bought;
        self.add_times.append(visit.add_times);
        if let Err(error) = walked {
            let reason = format!("{error:#}");
            let seen = self.failed.entry(reason.clone()).or_default();
            *seen += 1;
            if *seen == 1 {
                tracing::warn!("a visitor left: {reason}");
            }
        }
    }

    fn line(&self, during: Duration, inside: usize) -> String {
        let failed: usize = self.failed.values().sum();
        let turned_away = match self.turned_away {
            0 => String::new(),
            n => format!(", {n} turned away at the door"),
        };
        format!(
            "{:.0} s: {} came, {inside} inside, {} pages, {} added to the cart, {} bought, {failed} left in anger{turned_away}; add to cart: {}",
            during.as_secs_f64(),
            self.came,
            self.pages,
            self.added,
            self.bought,
            self.add_times
        )
    }

    /// The reasons of failed visits; an error when no visit went well.
    fn verdict(&self) -> anyhow::Result<()> {
        for (reason, visits) in &self.failed {
            println!("{visits} visits failed: {reason}");
        }
        let failed: usize = self.failed.values().sum();
        anyhow::ensure!(
            self.left == 0 || failed < self.left,
            "no visit went well; does the shop run?"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_visited() {
        for shop in [
            "http://127.0.0.1:8501",
            "http://localhost:8501/",
            "http://127.8.9.10",
            "http://[::1]:8501",
        ] {
            assert!(shop_on_this_machine(shop).is_ok(), "{shop}");
        }
        for shop in [
            "http://example.com",
            "http://10.0.0.1:8501",
            "http://0.0.0.0:8501",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1@example.com",
            "https://127.0.0.1",
            "file:///127.0.0.1",
            "127.0.0.1:8501",
        ] {
            assert!(shop_on_this_machine(shop).is_err(), "{shop}");
        }
    }

    #[test]
    fn a_shop_in_which_every_visit_fails_is_an_error() {
        let mut totals = Totals::default();
        assert!(totals.verdict().is_ok());
        totals.add((Visit::default(), Err(anyhow::anyhow!("refused"))));
        assert!(totals.verdict().is_err());
        totals.add((Visit::default(), Ok(())));
        assert!(totals.verdict().is_ok());
    }
}
