//! A gate between a program and a server: open, everything passes; shut, connections break and new ones
//! are refused, as when the server is gone; slammed, they are also counted. The server itself, which others use too, notices nothing.

use super::program::free_port;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// One gate on a port of its own; shut when made.
pub struct Gate {
    port: u16,
    server: SocketAddr,
    passing: Option<JoinHandle<()>>,
    attempts: Arc<AtomicUsize>,
}

impl Gate {
    /// A shut gate before `server`.
    pub fn before(server: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            port: free_port()?,
            server,
            passing: None,
            attempts: Arc::default(),
        })
    }

    /// Where programs are told the server is.
    pub fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Breaks every connection, and each new one at once, counting them.
    pub async fn slam(&mut self) -> anyhow::Result<()> {
        self.shut().await;
        let listener = TcpListener::bind(self.addr()).await?;
        let attempts = self.attempts.clone();
        self.passing = Some(tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                attempts.fetch_add(1, Ordering::Relaxed);
            }
        }));
        Ok(())
    }

    /// How often a slammed gate was tried.
    pub fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Lets connections through.
    pub async fn open(&mut self) -> anyhow::Result<()> {
        self.shut().await;
        let listener = TcpListener::bind(self.addr()).await?;
        let server = self.server;
        self.passing = Some(tokio::spawn(async move {
            // Dropped together with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        // An error here is a connection that broke, which is what a gate is for.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        }));
        Ok(())
    }

    /// Breaks every connection and refuses new ones.
    pub async fn shut(&mut self) {
        if let Some(passing) = self.passing.take() {
            passing.abort();
            // Ends with "cancelled"; afterwards the port is free.
            let _ = passing.await;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(passing) = &self.passing {
            passing.abort();
        }
    }
}
