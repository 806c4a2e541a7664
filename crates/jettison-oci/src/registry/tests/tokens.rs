//! Tokens that are not good for as long as a pull or a push takes.

use super::*;

fn guarded() -> World {
    let mut registry = filled();
    registry.token = Some("t0ken".to_owned());
    let mut world = World::new(registry);
    world.keys = password();
    world
}

/// With a token there are two requests more: one for it, and the greeting's answer is no more than that one is needed.
const LAYER: usize = FIRST_LAYER + 1;

fn n_tokens(world: &World) -> usize {
    let log = world.registry.log();
    log.iter().filter(|line| line.contains("/token")).count()
}

#[test]
fn a_token_that_ends_in_the_middle_of_a_layer_is_renewed() {
    let world = guarded();
    world.registry.happen(LAYER, Accident::Cut(20_000));
    world.registry.happen(LAYER + 1, Accident::Expired);
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    assert_eq!(n_tokens(&world), 2);
    let log = world.registry.log();
    expect![["
        GET https://r.test/v2/app/blobs/[large] Bearer t0ken
        GET https://r.test/v2/app/blobs/[large] Bearer t0ken
        GET https://auth.test/token?service=test&scope=repository:app:pull&account=me Basic bWU6c2VjcmV0
        GET https://r.test/v2/app/blobs/[large] Bearer t0ken1
        GET https://r.test/v2/app/blobs/[small] Bearer t0ken1"]]
    .assert_eq(&shown(&log[LAYER..]));
    assert_eq!(world.registry.ranges(), ["bytes=20000-", "bytes=20000-"]);
}

fn shown(log: &[String]) -> String {
    let name = |size| Digest::of(&tar(size)).to_string();
    let log = log.join("\n").replace(&name(60_000), "[large]");
    log.replace(&name(2000), "[small]")
}

#[test]
fn a_token_that_has_lived_its_time_is_renewed_before_it_is_refused() {
    let world = guarded();
    // It is good for a minute, as nothing is said.
    let busy = Accident::Status(503, Some(70));
    world.registry.happen(LAYER, busy);
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    assert_eq!(n_tokens(&world), 2);
    // The greeting, the manifest and the configuration; the layer twice, another token, and the other layer.
    assert_eq!(world.registry.log().len(), LAYER + 4);
}

#[test]
fn an_identity_token_gets_new_tokens_whenever_they_end() {
    let mut world = guarded();
    world.keys = TestKeys(Credentials::IdentityToken("who/I am".to_owned()));
    world.registry.happen(LAYER, Accident::Expired);
    world.registry.happen(LAYER + 3, Accident::Expired);
    let pulled = world.pull("r.test/app:1").unwrap();
    assert_sound(&world, &pulled);
    let log = world.registry.log();
    let asked: Vec<_> = log.iter().filter(|line| line.contains("/token")).collect();
    assert_eq!(asked, ["POST https://auth.test/token -"; 3]);
    assert!(log.iter().all(|line| !line.contains("who")), "{log:#?}");
}

#[test]
fn a_token_that_ends_in_the_middle_of_an_upload_is_renewed() {
    let mut world = with_image();
    world.registry.token = Some("t0ken".to_owned());
    world.keys = password();
    let requests = world.registry.log().len();
    // A greeting, a token, a question, an upload, and its bytes.
    for accident in [Accident::Lost(30_000), Accident::Expired] {
        let request = requests + 4 + usize::from(accident == Accident::Expired);
        world.registry.happen(request, accident);
    }
    world.push("other.test/app:1", Originals::Keep).unwrap();
    assert!(has_all(&world));
    let log = world.registry.log().split_off(requests);
    let begun = log.iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(begun, 3, "{log:#?}");
}

#[test]
fn a_token_that_is_never_good_is_not_asked_for_for_ever() {
    let world = guarded();
    for request in LAYER..LAYER + 20 {
        world.registry.happen(request, Accident::Expired);
    }
    let error = world.pull("r.test/app:1").unwrap_err();
    expect!["r.test refuses blob [large] of app"].assert_eq(&shown(&[line(&error)]));
    assert!(world.registry.log().len() < LAYER + 6);
}
