//! A response body that can trickle and break off, and that knows when its last byte was handed over.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::reply::Delivery;

/// The body breaks off here; the connection must close.
#[derive(Debug, thiserror::Error)]
#[error("the body was cut on purpose")]
pub(super) struct Cut;

/// See the module.
pub(super) struct ReplyBody {
    pieces: VecDeque<Bytes>,
    /// Known length of a body in one piece; otherwise the length is in the header or unknown.
    exact: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
    interval: Duration,
    ending: Ending,
    delivery: Option<Delivery>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Complete,
    /// Breaks off after the pieces; first the server gets a chance to send what it has.
    Cut {
        flushed: bool,
    },
}

impl ReplyBody {
    fn new(pieces: VecDeque<Bytes>, delivery: Option<Delivery>) -> Self {
        let pieces: VecDeque<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let mut body = Self {
            pieces,
            exact: None,
            pause: None,
            interval: Duration::ZERO,
            ending: Ending::Complete,
            delivery,
        };
        if body.pieces.is_empty() {
            body.handed_over();
        }
        body
    }

    /// In one piece.
    pub(super) fn whole(bytes: Bytes, delivery: Option<Delivery>) -> Self {
        let exact = u64::try_from(bytes.len()).ok();
        Self {
            exact,
            ..Self::new([bytes].into(), delivery)
        }
    }

    /// In several pieces, one after the other.
    pub(super) fn chunks(chunks: Vec<Bytes>, delivery: Delivery) -> Self {
        Self::new(chunks.into(), Some(delivery))
    }

    /// Only the beginning, then a broken connection. `delivery` is settled already.
    pub(super) fn cut(beginning: Bytes, delivery: Delivery) -> Self {
        let mut body = Self::new([beginning].into(), None);
        body.ending = Ending::Cut { flushed: false };
        body.delivery = Some(delivery);
        body
    }

    /// `size` bytes at a time.
    pub(super) fn trickle(mut bytes: Bytes, size: usize, first_byte: Duration, interval: Duration, delivery: Delivery) -> Self {
        let mut pieces = VecDeque::new();
        while !bytes.is_empty() {
            pieces.push_back(bytes.split_to(size.clamp(1, bytes.len())));
        }
        Self {
            pause: Some(Box::pin(sleep(first_byte))),
            interval,
            ..Self::new(pieces, Some(delivery))
        }
    }

    fn handed_over(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            delivery.confirm();
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.pieces.is_empty() {
            return match self.ending {
                Ending::Complete => Poll::Ready(None),
                Ending::Cut { flushed: false } => {
                    self.ending = Ending::Cut { flushed: true };
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Ending::Cut { flushed: true } => Poll::Ready(Some(Err(Cut))),
            };
        }
        if let Some(pause) = self.pause.as_mut() {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let Some(piece) = self.pieces.pop_front() else {
            return Poll::Ready(None);
        };
        if self.pieces.is_empty() {
            if self.ending == Ending::Complete {
                self.handed_over();
            }
        } else if !self.interval.is_zero() {
            self.pause = Some(Box::pin(tokio::time::sleep_until(Instant::now() + self.interval)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.ending == Ending::Complete
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map(SizeHint::with_exact).unwrap_or_default()
    }
}
