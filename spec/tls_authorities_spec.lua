-- Which authorities are trusted without a ca_file: those of the system. Each test puts
-- other ones in their place, for one program.

local child = require "spec.support.child"
local rig = require "spec.support.rig"

local OTHER = [[
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Other -keyout other.key -out other.pem 2>&-
]]

describe("Without a ca_file, TLS", function()
  local server = rig.sandbox()

  -- What a call meets after the `preparation`, in which $CA is the sandbox's authority.
  local function call_after(preparation)
    local folder = child.folder()
    folder:write("prepared", ([[
      (cd %q && CA=%q && set -e
      %s) >/dev/null 2>&1 || exit 9
      exec "$@"]]):format(folder.path, server.ca, preparation))
    local output = rig.run(([[
      local client = require("grid").new { base_url = %q, api_key = "k", retries = 0 }
      local _, err = client:request("GET", "/x")
      io.write(err.kind, " ", err.code)
      client:close()]]):format(server.https), nil, ("unshare -m sh %s/prepared "):format(folder.path))
    folder:remove()
    return output
  end

  local TRUSTED, REFUSED = "api not_found", "tls certificate_refused"

  local function it_where_mounts_are(what, test)
    it(what, function()
      if not child.can_mount() then return pending "no mounts of its own for a program here" end
      test()
    end)
  end

  -- `hashed` and `bundled` are files of authorities.
  local function system(hashed, bundled)
    return OTHER .. ([[
      mkdir certs && cat %s >certs/ca-certificates.crt
      for file in %s; do cp "$file" certs/ && cp "$file" "certs/$(openssl x509 -in "$file" -noout -hash).0"; done
      mount --bind certs /etc/ssl/certs]]):format(bundled, hashed)
  end

  it_where_mounts_are("trusts those of the system's folder", function()
    assert.equal(TRUSTED, call_after(system("other.pem $CA", "other.pem $CA")))
    assert.equal(REFUSED, call_after(system("other.pem", "other.pem")))
  end)

  it_where_mounts_are("does not read the bundle beside a hashed folder", function()
    if rig.libcurl >= 817 then return pending "libcurl 8.17 and later read it" end
    if call_after(system("other.pem $CA", "other.pem")) == REFUSED then return pending "this libcurl reads bundles alone" end
    assert.equal(REFUSED, call_after(system("other.pem", "other.pem $CA")))
  end)

  it_where_mounts_are("trusts those of the bundle, where the folder is not hashed", function()
    assert.equal(TRUSTED, call_after(system("", "other.pem $CA")))
    assert.equal(REFUSED, call_after(system("", "other.pem")))
  end)

  it_where_mounts_are("follows update-ca-certificates #slow", function()
    local mounts = [[
      mkdir local certs hooks && mount --bind local /usr/local/share/ca-certificates && mount --bind certs /etc/ssl/certs
      cp "$CA" local/sandbox.crt && update-ca-certificates --hooksdir hooks
    ]]
    assert.equal(TRUSTED, call_after(mounts))
    assert.equal(REFUSED, call_after(mounts .. "rm local/sandbox.crt && update-ca-certificates --fresh --hooksdir hooks"))
  end)
end)
