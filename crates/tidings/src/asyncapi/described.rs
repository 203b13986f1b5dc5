//! What the types of payloads tell, for the code of the macros.

use std::marker::PhantomData;

use bytes::Bytes;
use serde_json::json;

use super::SchemaOf;
use crate::endpoint::Json;

/// What is known of a payload of type `T`. Some types have items of their own; for others those of [`Undescribed`]
/// are found.
pub struct Described<T: ?Sized>(PhantomData<T>);

/// A payload whose type says nothing of it.
pub trait Undescribed {
    const CONTENT_TYPE: Option<&'static str> = None;
    const SCHEMA: Option<SchemaOf> = None;
}

impl<T: ?Sized> Undescribed for Described<T> {}

const TEXT: Option<&str> = Some("text/plain");
const OCTETS: Option<&str> = Some("application/octet-stream");

macro_rules! described {
    ($($type:ty => $content_type:expr, $schema:expr;)*) => {$(
        impl Described<$type> {
            pub const CONTENT_TYPE: Option<&'static str> = $content_type;
            pub const SCHEMA: Option<SchemaOf> = $schema;
        }
    )*};
}

described! {
    String => TEXT, Some(|_| json!({ "type": "string" }));
    str => TEXT, Some(|_| json!({ "type": "string" }));
    &'static str => TEXT, Some(|_| json!({ "type": "string" }));
    Bytes => OCTETS, None;
    Vec<u8> => OCTETS, None;
    [u8] => OCTETS, None;
}

impl<T> Described<Json<T>> {
    pub const CONTENT_TYPE: Option<&'static str> = Some("application/json");
}

#[cfg(feature = "schemars")]
impl<T: schemars::JsonSchema> Described<Json<T>> {
    pub const SCHEMA: Option<SchemaOf> = Some(|schemas| schemas.of::<T>());
}
