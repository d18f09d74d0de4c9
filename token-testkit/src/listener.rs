//! The socket: bound to loopback, closed and opened again at will.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    sync::watch,
};

use crate::{
    server,
    state::State,
    wire::{Garble, Wire},
};

/// Room for all clients of a storm that connect before the next accept.
const BACKLOG: u32 = 1024;

/// Binds a port on loopback; 0 takes a free one. Needs a runtime.
pub(crate) fn bind(address: IpAddr, port: u16) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    // The port must be ours again at once after a close.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((address, port)))?;
    socket.listen(BACKLOG)
}

/// Accepts and serves until told to stop or nobody is left to tell.
pub(crate) async fn listen(listener: TcpListener, state: Arc<State>, mut stop: watch::Receiver<()>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        match stream {
            Ok((stream, _)) => {
                stream.set_nodelay(true).ok();
                let (state, mut stop) = (Arc::clone(&state), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection(stream, state) => {}
                        _ = stop.changed() => {}
                    }
                });
            }
            // Out of file descriptors: those of clients that leave come back.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: tokio::net::TcpStream, state: Arc<State>) {
    match &state.tls {
        None => serve(stream, &state).await,
        Some(tls) => {
            // A client that trusts nothing of this leaves here, and that is what some tests want to see.
            if let Ok(stream) = tls.acceptor.accept(stream).await {
                serve(stream, &state).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: &Arc<State>) {
    let garble = Garble::default();
    let wire = TokioIo::new(Wire::new(stream, garble.clone()));
    let service = service_fn(|request| server::serve(Arc::clone(state), garble.clone(), request));
    // Errors are clients that left and connections closed on demand.
    http1::Builder::new().serve_connection(wire, service).await.ok();
}
