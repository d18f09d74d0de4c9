//! The bytes of one connection, which a fault can make unreadable.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Says that nothing more on its connection shall make sense.
#[derive(Clone, Debug, Default)]
pub(crate) struct Garble(Arc<AtomicBool>);

impl Garble {
    pub(crate) fn start(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection under hyper. hyper speaks nothing but HTTP, so whatever else shall be sent is made here.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    garble: Garble,
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S, garble: Garble) -> Self {
        Self { stream, garble }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.garble.0.load(Ordering::Relaxed) {
            // Byte by byte, so that a partial write needs no memory.
            let garbled: Vec<u8> = bytes.iter().map(|byte| byte ^ 0xa5).collect();
            return Pin::new(&mut self.stream).poll_write(context, &garbled);
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
