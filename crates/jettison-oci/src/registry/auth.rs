//! Who is asking: credentials, and the tokens that are got for them (distribution: docs/spec/auth).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::registry::base64::base64;
use crate::registry::challenge::Challenge;
use crate::registry::client::{Endpoint, RegistryClient, message_of};
use crate::registry::error::RegistryError;
use crate::registry::message::{Method, Request, RequestBody, Response};
use crate::registry::patience::Failed;
use crate::registry::url::{Url, encode};

/// The longest answer of a token server.
const LONGEST_TOKEN: u64 = 1 << 20;
/// How long a token is good for if nothing is said (distribution: docs/spec/auth/token.md).
const USUAL_LIFE: u64 = 60;
/// As whom we get tokens.
const CLIENT: &str = "jettison";

/// What a registry knows its user by.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing: everybody may ask.
    Anonymous,
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// What a token server gives tokens for.
    IdentityToken(String),
    /// What the registry itself takes.
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    // Secrets are not for logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Credentials::Anonymous => "anonymous",
            Credentials::Password { .. } => "a name and a password",
            Credentials::IdentityToken(_) => "an identity token",
            Credentials::RegistryToken(_) => "a registry token",
        })
    }
}

/// Knows credentials.
pub trait Keys: Sync {
    /// The credentials for a repository of a registry, which is written as in references.
    fn credentials(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Credentials, Box<dyn Error + Send + Sync>>;
}

/// What is to be allowed, in the words of token servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scopes(Vec<String>);

impl Scopes {
    /// Nothing in particular.
    pub(crate) fn none() -> Scopes {
        Scopes(Vec::new())
    }

    /// Reading a repository.
    pub(crate) fn pull(repository: &str) -> Scopes {
        Scopes(vec![format!("repository:{repository}:pull")])
    }

    /// Reading and writing a repository.
    pub(crate) fn push(repository: &str) -> Scopes {
        Scopes(vec![format!("repository:{repository}:pull,push")])
    }

    /// The same, and reading another one.
    pub(crate) fn and_pull(mut self, repository: &str) -> Scopes {
        self.0.push(format!("repository:{repository}:pull"));
        self
    }
}

/// A token, and until when it is good.
#[derive(Clone)]
pub(crate) struct Token {
    text: String,
    good_until: Duration,
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a token until {:?}", self.good_until)
    }
}

/// What a token server answers. `token` and `access_token` are the same (docs/spec/auth/token.md, oauth.md).
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl RegistryClient<'_> {
    /// The value of `Authorization` for a request to `endpoint`, if there is to be one.
    pub(crate) fn authorization(
        &self,
        endpoint: &Endpoint,
        scopes: &Scopes,
    ) -> Result<Option<String>, Failed> {
        let Some(challenge) = endpoint.host.challenge() else {
            return Ok(None);
        };
        let credentials = self.credentials(endpoint)?;
        match (&challenge, credentials) {
            (_, Credentials::RegistryToken(token)) => Ok(Some(format!("Bearer {token}"))),
            (Challenge::Basic, Credentials::Password { username, password }) => {
                Ok(Some(basic(&username, &password)))
            }
            (Challenge::Basic, Credentials::Anonymous | Credentials::IdentityToken(_)) => Ok(None),
            (
                Challenge::Bearer {
                    realm,
                    service,
                    scope,
                },
                credentials,
            ) => {
                // What needs no scope by itself takes the one that the server names.
                let scopes = match scope {
                    Some(scope) if scopes.0.is_empty() => {
                        Scopes(scope.split(' ').map(str::to_owned).collect())
                    }
                    _ => scopes.clone(),
                };
                let question = TokenQuestion {
                    realm,
                    service: service.as_deref(),
                    scopes: &scopes,
                    credentials: &credentials,
                };
                let token = self.token(endpoint, &question)?;
                Ok(Some(format!("Bearer {token}")))
            }
        }
    }

    pub(crate) fn credentials(&self, endpoint: &Endpoint) -> Result<Credentials, RegistryError> {
        let registry = &endpoint.host.registry;
        let found = self.keys.credentials(registry, &endpoint.repository);
        found.map_err(|source| RegistryError::Keys {
            registry: registry.clone(),
            source,
        })
    }

    /// A token that is good now. While one is fetched, others that want one wait for it.
    fn token(&self, endpoint: &Endpoint, question: &TokenQuestion<'_>) -> Result<String, Failed> {
        let mut tokens = endpoint.host.tokens();
        let now = self.clock.now();
        if let Some(token) = tokens.get(question.scopes)
            && token.good_until > now
        {
            return Ok(token.text.clone());
        }
        let token = self.fetch_token(endpoint, question)?;
        tokens.insert(question.scopes.clone(), token.clone());
        Ok(token.text)
    }

    fn fetch_token(
        &self,
        endpoint: &Endpoint,
        question: &TokenQuestion<'_>,
    ) -> Result<Token, Failed> {
        let host = &endpoint.host;
        let bad = |reason: String| RegistryError::Answer {
            host: host.registry.clone(),
            reason,
        };
        let realm = Url::parse(question.realm)
            .ok_or_else(|| bad(format!("`{}` is not an address of tokens", question.realm)))?;
        if !realm.is_secure()
            && host.base.is_secure()
            && *question.credentials != Credentials::Anonymous
        {
            let text = "it wants the password to be sent to an address without encryption";
            return Err(bad(text.to_owned()).into());
        }
        let asked_at = self.clock.now();
        let mut response = match question.credentials {
            Credentials::IdentityToken(token) => {
                let response = self.post_for_token(&realm, question, token)?;
                // Not every token server knows POST (distribution: docs/spec/auth/oauth.md).
                match response.status {
                    404 | 405 => self.get_token(&realm, question)?,
                    _ => response,
                }
            }
            Credentials::Anonymous
            | Credentials::Password { .. }
            | Credentials::RegistryToken(_) => self.get_token(&realm, question)?,
        };
        if let 400 | 401 | 403 = response.status {
            return Err(Failed::Finally(RegistryError::Denied {
                registry: host.registry.clone(),
                what: "the login".to_owned(),
                was_logged_in: *question.credentials != Credentials::Anonymous,
                message: message_of(&mut response),
            }));
        }
        let mut response = self.judge(endpoint, "tokens", response)?;
        let bytes = response
            .bytes(LONGEST_TOKEN)
            .map_err(|error| host.lost(error))?;
        // The text could hold a secret: it is not shown.
        let answer: TokenAnswer =
            serde_json::from_slice(&bytes).map_err(|_| bad("its token is not JSON".to_owned()))?;
        let text = answer.token.or(answer.access_token);
        let text = text.filter(|text| !text.is_empty() && !text.contains(char::is_control));
        // A tenth of the time is kept for the request that it is used for.
        let life = match answer.expires_in {
            None | Some(0) => USUAL_LIFE,
            Some(seconds) => seconds.min(86_400),
        };
        Ok(Token {
            text: text.ok_or_else(|| bad("there is no token in it".to_owned()))?,
            good_until: asked_at + Duration::from_secs(life).mul_f64(0.9),
        })
    }

    fn get_token(&self, realm: &Url, question: &TokenQuestion<'_>) -> Result<Response, Failed> {
        let mut url = realm.clone();
        if let Some(service) = question.service {
            url = url.with_query("service", service);
        }
        for scope in &question.scopes.0 {
            url = url.with_query("scope", scope);
        }
        let mut authorization = None;
        if let Credentials::Password { username, password } = question.credentials {
            url = url.with_query("account", username);
            authorization = Some(basic(username, password));
        }
        let call = Request {
            method: Method::Get,
            url,
            headers: Vec::new(),
            body: RequestBody::Empty,
        };
        self.follow_get(call, authorization.as_deref())
    }

    fn post_for_token(
        &self,
        realm: &Url,
        question: &TokenQuestion<'_>,
        identity: &str,
    ) -> Result<Response, Failed> {
        let mut form = format!(
            "grant_type=refresh_token&client_id={CLIENT}&refresh_token={}",
            encode(identity)
        );
        if let Some(service) = question.service {
            form.push_str("&service=");
            form.push_str(&encode(service));
        }
        form.push_str("&scope=");
        form.push_str(&encode(&question.scopes.0.join(" ")));
        let form_type = "application/x-www-form-urlencoded".to_owned();
        let request = Request {
            method: Method::Post,
            url: realm.clone(),
            headers: vec![("Content-Type", form_type)],
            body: RequestBody::Bytes(form.as_bytes()),
        };
        self.send(request)
    }
}

struct TokenQuestion<'q> {
    realm: &'q str,
    service: Option<&'q str>,
    scopes: &'q Scopes,
    credentials: &'q Credentials,
}

fn basic(username: &str, password: &str) -> String {
    let pair = format!("{username}:{password}");
    format!("Basic {}", base64(pair.as_bytes()))
}
