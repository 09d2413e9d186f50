# What Licet is made of: a bill of materials, known vulnerabilities, licences.
SBOM ?= build/licet.cdx.json
.PHONY: sbom audit lint-licences

sbom: venv ## bill of materials of requirements.lock, CycloneDX JSON, to build/ (SBOM=FILE)
	@mkdir -p $(dir $(SBOM))
	@$(PY) -W ignore::UserWarning -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
	  --mc-type application --spec-version 1.6 --output-reproducible --of JSON --output-file $(SBOM)
	@echo $(SBOM)

audit: venv ## known vulnerabilities of requirements.lock; exit status 2 where not all could be asked
	@$(PY) -m deploy.supply.audit $(ARGS)

# Installed packages' own words: no network.
lint-licences:
	@$(PY) -m deploy.supply.licences
