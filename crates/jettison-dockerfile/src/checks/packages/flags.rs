//! The words of package managers' command lines: which flags take a value, and which verbs are two words.

use crate::checks::packages::Manager;

/// Says whether the word after `verb` names the action.
pub(super) fn starts_two_words(manager: Manager, verb: &str) -> bool {
    match manager {
        Manager::Rpm => matches!(verb, "group" | "groups" | "module"),
        Manager::Pip | Manager::Npm => matches!(verb, "cache" | "config"),
        Manager::Yarn => matches!(verb, "cache" | "config" | "global" | "workspaces"),
        Manager::Pnpm => matches!(verb, "store" | "config"),
        Manager::Apt | Manager::Apk | Manager::Zypper => false,
    }
}

/// The flags whose value may be the next word.
fn valued_flags(manager: Manager) -> impl Iterator<Item = &'static str> {
    let flags = match manager {
        Manager::Apt => {
            "-t --target-release --default-release -o --option -c --config-file -a \
             --host-architecture -P --build-profiles"
        }
        Manager::Apk => {
            "-p --root -X --repository -t --virtual --keys-dir --repositories-file \
             --cache-dir --cache-max-age --arch --wait --progress-fd --timeout"
        }
        Manager::Rpm => {
            "-c --config -d --debuglevel -e --errorlevel -x --exclude --repo --repoid \
             --repofrompath --enablerepo --disablerepo --releasever --installroot --setopt \
             --forcearch --comment --disableplugin --enableplugin -R --randomwait \
             --downloaddir --destdir"
        }
        Manager::Zypper => {
            "-r --repo --from -c --config -R --root -p --plus-repo --plus-content -t --type \
             --releasever --installroot --cache-dir --raw-cache-dir --solv-cache-dir \
             --pkg-cache-dir --reposd-dir"
        }
        Manager::Pip => {
            "-r --requirement -c --constraint -t --target --platform --python-version \
             --implementation --abi --prefix --root --src -i --index-url --extra-index-url -f \
             --find-links --no-binary --only-binary --cache-dir --log --proxy --retries \
             --timeout --trusted-host --cert --client-cert --exists-action --upgrade-strategy \
             --progress-bar --python --global-option --config-settings -C --report \
             --keyring-provider --root-user-action --use-feature --use-deprecated"
        }
        Manager::Npm => {
            "--prefix -C --registry --cache --userconfig --workspace -w --omit --include \
             --only --loglevel --tag --fetch-timeout --fetch-retries --install-strategy \
             --script-shell --maxsockets"
        }
        Manager::Yarn => {
            "--cwd --registry --cache-folder --modules-folder --network-timeout \
             --network-concurrency --mutex --use-yarnrc --global-folder --prefix \
             --preferred-cache-folder --link-folder"
        }
        Manager::Pnpm => {
            "-C --dir -F --filter --registry --store-dir --network-concurrency --loglevel \
             --reporter --modules-dir --virtual-store-dir --child-concurrency"
        }
    };
    flags.split(' ')
}

/// Says whether the value of a flag, or of the last one of a cluster, is the next word.
pub(super) fn takes_next(manager: Manager, word: &str) -> bool {
    if word.starts_with("--") {
        return valued_flags(manager).any(|flag| flag == word);
    }
    word.strip_prefix('-').is_some_and(|letters| {
        let valued = letters.find(|letter| is_valued_letter(manager, letter));
        valued.is_some_and(|at| at + 1 == letters.len())
    })
}

/// Says whether a short flag takes a value.
pub(super) fn is_valued_letter(manager: Manager, letter: char) -> bool {
    valued_flags(manager).any(|flag| flag.len() == 2 && flag.ends_with(letter))
}

/// The verbs that install, fetch lists, upgrade, delete caches and remove packages.
pub(super) fn verbs(manager: Manager) -> [&'static str; 5] {
    match manager {
        Manager::Apt => [
            "install build-dep satisfy",
            "update",
            "upgrade dist-upgrade full-upgrade safe-upgrade",
            "clean autoclean distclean dist-clean",
            "remove purge autoremove autopurge",
        ],
        Manager::Apk => ["add", "update", "upgrade", "", "del"],
        Manager::Rpm => [
            "install localinstall groupinstall reinstall in builddep",
            "makecache check-update",
            "update upgrade distro-sync",
            "clean",
            "remove erase autoremove groupremove",
        ],
        Manager::Zypper => [
            "install in",
            "refresh ref",
            "update up dist-upgrade dup",
            "clean cc",
            "remove rm",
        ],
        Manager::Pip => ["install", "", "", "", "uninstall"],
        Manager::Npm => [
            "install i ci ic cit it add clean-install install-test install-ci-test",
            "",
            "",
            "",
            "uninstall un remove rm",
        ],
        Manager::Yarn => ["install add", "", "", "", "remove"],
        Manager::Pnpm => ["install i add", "", "", "", "uninstall un remove rm"],
    }
}
