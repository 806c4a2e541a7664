//! What refers to a manifest.

use super::*;

#[test]
fn a_manifest_with_a_subject_is_listed_where_the_registry_does_not_list_it() {
    let world = with_image();
    let client = world.client();
    let reference: Reference = "other.test/app:1".parse().unwrap();
    let endpoint = client.upstream(&reference).unwrap();
    let subject = Digest::of(b"subject");
    for name in ["a", "b", "b"] {
        let json = format!(
            r#"{{"schemaVersion":2,"artifactType":"test/{name}","subject":{{"digest":"{subject}"}},"annotations":{{"n":"{name}"}}}}"#
        );
        let digest = Digest::of(json.as_bytes());
        let descriptor = Descriptor::new(MediaType::OciManifest, digest, json.len() as u64);
        client
            .put_manifest(&endpoint, &digest.to_string(), &descriptor, json.as_bytes())
            .unwrap();
    }
    let found = client.referrers(&reference, &subject).unwrap();
    let kinds: Vec<_> = found
        .iter()
        .map(|entry| {
            let kind = entry.extra["artifactType"].as_str().unwrap();
            format!("{kind} {}", entry.annotations["n"])
        })
        .collect();
    assert_eq!(kinds, ["test/a a", "test/b b"]);
}
