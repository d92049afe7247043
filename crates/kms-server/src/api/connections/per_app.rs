//! The routes of one app, made from those that are written for any.

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kms_app::Error;
use kms_app::connections::{ConnectableApp, Field, FieldKind, Method};
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::api::error::ApiError;
use crate::state::ServerState;

/// The app that the route is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForApp(pub(super) &'static ConnectableApp);

impl FromRequestParts<ServerState> for ForApp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &ServerState) -> Result<Self, ApiError> {
        let found = parts.extensions.get::<Self>().copied();
        found.ok_or_else(|| ApiError(Error::internal("a route of an app was registered without its app")))
    }
}

/// Stands for the app in a path and in the names that are made for each app.
const PATH_MARK: &str = "{app}";
const NAME_MARK: &str = "_App_";

/// The schemas that differ from app to app: they have the app's credentials in them.
const OWN_SCHEMAS: [&str; 2] = ["CreateConnectionRequest", "UpdateConnectionRequest"];

/// Puts routes under the path of `app`, and names and describes them for it.
pub(super) fn bind(
    app: &'static ConnectableApp,
    (schemas, paths, router): UtoipaMethodRouter<ServerState>,
) -> UtoipaMethodRouter<ServerState> {
    let mut bound = Paths::new();
    for (path, mut item) in paths.paths {
        for operation in operations(&mut item) {
            describe(app, operation);
        }
        bound.paths.insert(path.replace(PATH_MARK, app.slug), item);
    }
    let schemas = schemas
        .into_iter()
        .map(|(name, schema)| {
            if OWN_SCHEMAS.contains(&name.as_str()) {
                (own_name(app, &name), own_schema(app, schema))
            } else {
                (name, schema)
            }
        })
        .collect();
    (schemas, bound, router.layer(Extension(ForApp(app))))
}

/// `open-router` as it stands in names: `OpenRouter`.
fn pascal(slug: &str) -> String {
    slug.split('-')
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}

fn own_name(app: &ConnectableApp, name: &str) -> String {
    name.replace("Connection", &format!("{}Connection", pascal(app.slug)))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete, &mut item.put]
        .into_iter()
        .filter_map(Option::as_mut)
}

fn describe(app: &ConnectableApp, operation: &mut Operation) {
    if let Some(id) = &mut operation.operation_id {
        *id = id.replace(NAME_MARK, &pascal(app.slug));
    }
    for text in [&mut operation.summary, &mut operation.description].into_iter().flatten() {
        *text = text.replace(PATH_MARK, app.name);
    }
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else {
            continue;
        };
        let name = match &content.schema {
            Some(RefOr::Ref(reference)) => OWN_SCHEMAS.iter().find(|name| reference.ref_location.ends_with(**name)),
            _ => None,
        };
        if let Some(name) = name {
            content.schema = Some(RefOr::Ref(Ref::from_schema_name(own_name(app, name))));
        }
    }
}

/// The request's schema with the credentials and methods of `app`.
fn own_schema(app: &ConnectableApp, schema: RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else {
        return schema;
    };
    if let Some(credentials) = object.properties.get_mut("credentials") {
        let description = description_of(credentials);
        let mut all: Vec<Schema> = app
            .methods
            .iter()
            .map(|method| credentials_of(method, description.clone()))
            .collect();
        *credentials = RefOr::T(if all.len() > 1 {
            let one_of = all.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item);
            Schema::OneOf(one_of.description(description).build())
        } else {
            all.pop().unwrap_or_else(|| Schema::Object(Object::new()))
        });
    }
    if let Some(method) = object.properties.get_mut("method") {
        let slugs: Vec<&str> = app.methods.iter().map(|method| method.slug).collect();
        let description = description_of(method);
        *method = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(description)
            .enum_values(Some(slugs))
            .into();
    }
    RefOr::T(Schema::Object(object))
}

fn description_of(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::T(Schema::Object(object)) => object.description.clone(),
        _ => None,
    }
}

/// The schema of a method's credentials. They are sent and never given back.
fn credentials_of(method: &Method, description: Option<String>) -> Schema {
    let object = method.fields.iter().fold(ObjectBuilder::new(), |object, field| {
        let object = object.property(field.name, field_schema(field));
        if field.required { object.required(field.name) } else { object }
    });
    Schema::Object(object.description(description).write_only(true).build())
}

fn field_schema(field: &Field) -> Object {
    let text = [field.label, field.help].join(". ");
    let object = ObjectBuilder::new().description(Some(text.trim_end_matches([' ', '.'])));
    match field.kind {
        FieldKind::Text => object.schema_type(Type::String),
        FieldKind::Secret => object
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .write_only(true),
        FieldKind::Number => object.schema_type(Type::Number),
        FieldKind::Choice(choices) => {
            let values: Vec<&str> = choices
                .iter()
                .map(|(value, _label)| *value)
                .filter(|value| !value.is_empty())
                .collect();
            object.schema_type(Type::String).enum_values(Some(values))
        }
        FieldKind::Switch => object.schema_type(Type::Boolean),
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_become_names() {
        assert_eq!(pascal("open-router"), "OpenRouter");
        assert_eq!(pascal("1password"), "1password");
        assert_eq!(pascal("a--b-"), "AB");
    }
}
