//! One token that ends everything: the first SIGTERM or SIGINT asks for an orderly end, a second one
//! ends at once.

use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGTERM or SIGINT. Call it once, inside a tokio runtime.
///
/// Returns an error when the signal handlers cannot be set.
pub fn token() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let ours = token.clone();
    tokio::spawn(async move {
        for attempt in 1.. {
            let (name, code) = tokio::select! {
                _ = terminate.recv() => ("SIGTERM", 143),
                _ = interrupt.recv() => ("SIGINT", 130),
            };
            if attempt > 1 {
                tracing::warn!("{name} again: ending at once");
                std::process::exit(code);
            }
            tracing::info!("{name}: finishing what is begun, then ending");
            ours.cancel();
        }
    });
    Ok(token)
}
