/// JSON Schemas of payloads, draft 7, with those of the types that they refer to.
#[derive(Debug)]
pub struct Schemas {
    #[cfg(feature = "schemars")]
    generator: schemars::SchemaGenerator,
}

/// Where schemas are kept that others refer to.
#[cfg(feature = "schemars")]
const DEFINITIONS_PATH: &str = "/components/schemas";

impl Schemas {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(feature = "schemars")]
            generator: schemars::generate::SchemaSettings::draft07()
                .with(|settings| settings.definitions_path = DEFINITIONS_PATH.into())
                .into_generator(),
        }
    }

    /// The schema of a type, or a reference to it.
    #[cfg(feature = "schemars")]
    pub(super) fn of<T: schemars::JsonSchema>(&mut self) -> serde_json::Value {
        self.generator.subschema_for::<T>().to_value()
    }

    /// What was referred to, by name.
    pub(super) fn into_definitions(self) -> serde_json::Map<String, serde_json::Value> {
        #[cfg(feature = "schemars")]
        {
            let mut generator = self.generator;
            generator.take_definitions(true)
        }
        #[cfg(not(feature = "schemars"))]
        serde_json::Map::new()
    }
}
