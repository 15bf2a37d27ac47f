//! Configuration as YAML: read with the text of every number, written so that it reads back the same.

mod node;
mod reader;
mod scalar;
mod writer;

pub(crate) use node::{Kind, Node};
pub(crate) use reader::read;
pub(crate) use writer::write;
