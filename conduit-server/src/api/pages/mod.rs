//! What people look at in a browser.

mod docs;
mod page;
mod sign_in;

pub(crate) use docs::{docs, docs_style};
pub(crate) use sign_in::{ask_to_sign_in, sign_in, sign_out};
