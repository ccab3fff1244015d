-- What the specs of pages share: the fenced blocks and the links of a page, and the
-- checks of commands that several pages name.
-- Does not know: any page.

local child = require "spec.support.child"
local files = require "spec.support.files"

local pages = {}

--- The text of a file of the project.
function pages.read(path)
  return files.load(child.root .. "/" .. path)
end

--- Fenced blocks in order: `language` and `name` are the first word after the fence and
--- what follows it, `line` that of the fence.
function pages.blocks(text)
  local blocks, block, number = {}, nil, 0
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    local language, name = line:match "^```(%S*)%s*(.*)$"
    if block and language then
      block.text = table.concat(block, "\n") .. "\n"
      blocks[#blocks + 1], block = block, nil
    elseif block then
      block[#block + 1] = line
    elseif language then
      block = { language = language, name = name ~= "" and name or nil, line = number }
    end
  end
  assert(not block, "the page ends inside a block")
  return blocks
end

--- README.md, then the pages of doc: path, text, blocks.
function pages.documents()
  local documents = {}
  for path in child.capture("cd " .. child.path "" .. " && ls README.md doc/*.md"):gmatch "[^\n]+" do
    local text = pages.read(path)
    documents[#documents + 1] = { path = path, text = text, blocks = pages.blocks(text) }
  end
  return documents
end

--- The commands of a page's blocks of shell, without comments.
function pages.commands(blocks)
  local commands = {}
  for _, block in ipairs(blocks) do
    for line in (block.language == "sh" and block.text or ""):gmatch "([^\n]+)\n" do
      commands[#commands + 1] = line:gsub("%s*#.*$", "")
    end
  end
  return commands
end

-- The anchors that GitHub makes of headings.
local function anchors_of(text)
  local anchors = {}
  for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
    anchors[heading:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-")] = true
  end
  return anchors
end

--- Raises unless each link leads to a file, from the folder of the page, and to a heading
--- of that file, if it names one.
function pages.check_links(text, folder)
  for link in text:gmatch "%]%(([^)]+)%)" do
    local path, anchor = link:match "^([^#]*)#?(.*)$"
    if not link:find "^https:" then
      local target = path == "" and text or pages.read(folder .. path)
      assert(anchor == "" or anchors_of(target)[anchor], link)
    end
  end
end

--- Raises unless make knows how to run the command.
function pages.can_be_made(folder, command)
  local words = command:gsub("^sudo ", "") .. " -n"
  local code, _, err = folder:run("unset MAKEFLAGS MFLAGS MAKELEVEL; " .. words, {}, child.root)
  assert(code == 0 and err == "", err)
end

--- Raises unless the command starts a sandbox.
function pages.starts_a_sandbox(folder, command)
  local code, out = folder:run(([[
    %s%s >out & pid=$!
    while kill -0 $pid && ! grep -q '^export GRID_ENVIRONMENT' out; do sleep 0.05; done
    cat out; kill $pid; wait $pid]]):format(child.path "", command), { TMPDIR = folder.path })
  assert(code == 0 and out:find "export GRID_BASE_URL=https://localhost:%d+\n", out)
end

return pages
