//! The other systems, one definition each.

use insta::assert_snapshot;

use crate::support::{overview, says, words};

#[test]
fn circleci_jobs_commands_orbs_and_approvals() {
    let files = [(
        ".circleci/config.yml",
        "version: 2.1
orbs:
  aws: circleci/aws-ecs@4.0
commands:
  tests:
    parameters:
      what: {type: string, default: unit}
    steps:
      - run: make << parameters.what >>-tests
jobs:
  check:
    docker: [{image: node:20}, {image: postgres:16}]
    steps:
      - checkout
      - tests
      - tests: {what: integration}
      - store_artifacts: {path: out}
workflows:
  all:
    jobs:
      - check
      - hold: {type: approval, requires: [check], filters: {branches: {only: main}}}
      - aws/deploy-service-update:
          name: deploy-production
          requires: [hold]
          filters: {branches: {only: main}}
",
    )];
    assert_snapshot!(overview(&files), @r#"
    check [trunk branch request] 9:test 9:integration 17:keep
    hold [trunk] 22:approve
    deploy-production [trunk] 23:deploy=ecs
    "#);
    assert_eq!(says(&files, "deploy_manual_gate"), Some(true));
    assert_eq!(words(&files, "environments"), ["production"]);
}

#[test]
fn azure_stages_templates_and_deployments() {
    let files = [
        (
            "azure-pipelines.yml",
            "trigger:
  branches: {include: [main]}
pr: none
stages:
  - stage: Build
    jobs:
      - job: build
        steps:
          - task: DotNetCoreCLI@2
            inputs: {command: test}
          - publish: out
  - template: ci/deploy.yml
    parameters: {where: staging}
  - template: ci/deploy.yml
    parameters: {where: production}
",
        ),
        (
            "ci/deploy.yml",
            "parameters:
  - name: where
    type: string
stages:
  - stage: Deploy_${{ parameters.where }}
    condition: and(succeeded(), eq(variables['Build.SourceBranch'], 'refs/heads/main'))
    jobs:
      - deployment: deploy
        environment: ${{ parameters.where }}
        strategy:
          runOnce:
            deploy:
              steps:
                - task: AzureWebApp@1
",
        ),
    ];
    assert_snapshot!(overview(&files), @r#"
    build [trunk manual] 9:test 11:keep
    deploy [trunk manual] 14:deploy=azure-webapp
    deploy [trunk manual] 14:deploy=azure-webapp
    "#);
    assert_eq!(says(&files, "deploy_same_definition"), Some(true));
    assert_eq!(says(&files, "deploy_to_production"), Some(true));
}

#[test]
fn travis_stages_and_providers() {
    let files = [(
        ".travis.yml",
        "language: python
services: [postgresql]
script:
  - flake8
  - pytest
after_success: codecov
deploy:
  - provider: pypi
    on: {tags: true}
  - provider: heroku
    on: {branch: main}
",
    )];
    assert_snapshot!(overview(&files), @r#"
    build [trunk branch request tag] 4:lint 4:analysis 5:test 6:coverage 6:coverage-upload 8:publish=pypi 10:deploy=heroku
    "#);
}

#[test]
fn woodpecker_and_drone_steps_and_plugins() {
    let files = [
        (
            ".woodpecker/ci.yaml",
            "when:
  - event: pull_request
  - event: push
    branch: main
steps:
  test:
    image: golang
    commands: [go test ./...]
  image:
    image: woodpeckerci/plugin-docker-buildx:5
    settings: {repo: x}
    when: [{event: tag}, {event: push, branch: main}]
",
        ),
        (
            ".drone.yml",
            "kind: pipeline
name: release
trigger: {event: [tag]}
steps:
  - name: publish
    image: plugins/npm
---
kind: secret
name: x
",
        ),
    ];
    assert_snapshot!(overview(&files), @r#"
    release [tag] 5:publish=npm
    ci [trunk request] 8:test 9:images-built 9:push
    "#);
}

#[test]
fn buildkite_waits_blocks_and_branches() {
    let files = [(
        ".buildkite/pipeline.yml",
        "steps:
  - label: test
    command: make test
    plugins: [docker-compose#v5.0.0: {run: app}]
  - wait
  - block: go
    branches: main
  - label: deploy production
    command: kubectl apply -f k8s
    branches: main
",
    )];
    assert_snapshot!(overview(&files), @r#"
    test [trunk branch request tag] 3:test 4:compose
    go [trunk] 6:approve
    deploy production [trunk] 9:deploy=kubectl
    "#);
    assert_eq!(says(&files, "deploy_production_automatic"), Some(false));
    assert_eq!(says(&files, "tests_before_deploy"), Some(true));
}

#[test]
fn tekton_runs_with_their_tasks_and_annotations() {
    let files = [
        (
            ".tekton/push.yaml",
            "apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  name: push
  annotations:
    pipelinesascode.tekton.dev/on-event: '[push]'
    pipelinesascode.tekton.dev/on-target-branch: '[main]'
spec:
  pipelineSpec:
    tasks:
      - name: unit
        taskSpec:
          steps:
            - image: golang
              script: |
                #!/bin/sh
                go test ./...
      - name: image
        runAfter: [unit]
        taskRef: {name: own}
",
        ),
        (
            ".tekton/task.yaml",
            "kind: Task
metadata: {name: own}
spec:
  steps:
    - image: gcr.io/kaniko-project/executor:v1
      args: [--destination, x]
",
        ),
    ];
    assert_snapshot!(overview(&files), @r#"
    unit [trunk] 17:test
    image [trunk] 6:images-built 6:push
    "#);
}

#[test]
fn concourse_resources_tasks_and_what_is_passed() {
    let files = [
        (
            "ci/pipeline.yml",
            "resources:
  - {name: src, type: git, source: {branch: main}}
  - {name: img, type: registry-image, source: {}}
jobs:
  - name: unit
    plan:
      - {get: src, trigger: true}
      - {task: tests, file: src/ci/tests.yml}
  - name: ship
    plan:
      - {get: src, trigger: true, passed: [unit]}
      - {put: img, params: {}}
  - name: deploy-production
    plan:
      - {get: src, passed: [ship]}
      - task: deploy
        config: {run: {path: sh, args: [-c, kubectl apply -f x]}}
",
        ),
        ("ci/tests.yml", "run:\n  path: src/ci/tests.sh\n"),
        ("ci/tests.sh", "#!/bin/sh\nmvn test\n"),
    ];
    assert_snapshot!(overview(&files), @r#"
    unit [trunk] 8:build 8:test
    ship [trunk] 11:fetch 12:push
    deploy-production [manual] 15:fetch 17:deploy=kubectl
    "#);
    assert_eq!(says(&files, "builds_by_polling"), Some(true));
    assert_eq!(says(&files, "deploy_manual_gate"), Some(true));
}

#[test]
fn appveyor_cirrus_bitbucket_and_throughline() {
    let files = [
        (
            "appveyor.yml",
            "build_script: [msbuild]\ntest_script: [dotnet test]\nartifacts: [{path: x}]\n",
        ),
        (
            ".cirrus.yml",
            "test_task:\n  only_if: $CIRRUS_BRANCH == 'main'\n  test_script: cargo test\n",
        ),
        (
            "bitbucket-pipelines.yml",
            "pipelines:
  default:
    - step: {name: test, script: [npm test]}
  branches:
    main:
      - step: {name: build, script: [npm run build]}
      - step: {name: go, deployment: production, trigger: manual, script: [vercel --prod]}
",
        ),
        (
            "throughline.yaml",
            "throughline: 1\nsteps:\n  test:\n    run: cargo test\npackage:\n  files: [x]\n",
        ),
    ];
    assert_snapshot!(overview(&files), @r#"
    test [trunk] 3:test
    build [trunk branch request tag] 1:build 2:test 3:keep
    test [trunk branch request] 3:test
    build [trunk] 6:build
    go [trunk] 7:deploy=vercel
    test [trunk branch request] 4:test
    package [trunk branch request] 5:package 5:keep 5:version=throughline
    "#);
    assert_eq!(says(&files, "throughline"), Some(true));
}

#[test]
fn jenkins_declarative_and_scripted() {
    let declarative = [(
        "Jenkinsfile",
        "@Library('shared') _
pipeline {
  agent { label 'linux' }
  options { timeout(time: 1, unit: 'HOURS') }
  triggers { pollSCM('H/5 * * * *') }
  stages {
    stage('Build') {
      steps {
        sh 'mvn -B package'
        archiveArtifacts artifacts: 'target/*.jar'
      }
    }
    stage('Checks') {
      parallel {
        stage('Lint') { steps { sh 'mvn checkstyle:check || true' } }
        stage('E2E') { steps { dir('web') { sh 'npx cypress run' } } }
      }
    }
    stage('Approve') {
      when { branch 'main' }
      steps { input message: 'Go?' }
    }
    stage('Deploy production') {
      when { expression { return env.BRANCH_NAME == 'main' } }
      steps {
        sh '''
          helm upgrade shop ./chart
        '''
        deployTo(env: 'production')
      }
    }
  }
  post { failure { slackSend channel: '#x' } }
}
",
    )];
    assert_snapshot!(overview(&declarative), @r#"
    Build [trunk branch request] 9:build 9:test 9:package 10:keep
    Lint [trunk branch request] 15:lint
    E2E [trunk branch request] 16:acceptance=cypress
    Approve [trunk] 21:approve
    Deploy production [trunk] 27:deploy=helm 29:deploy
    post [trunk branch request] 33:notify
    "#);
    assert_eq!(says(&declarative, "builds_by_polling"), Some(true));
    assert_eq!(says(&declarative, "deploy_manual_gate"), Some(true));
    assert_eq!(says(&declarative, "deploy_production_automatic"), None);
    assert_eq!(says(&declarative, "complete"), Some(false));
    let scripted = [(
        "Jenkinsfile",
        "properties([pipelineTriggers([cron('@daily')])])
node('linux') {
  checkout scm
  stage('Test') {
    sh \"./gradlew test\"
    junit 'build/*.xml'
  }
  if (env.BRANCH_NAME == 'main') {
    stage('Image') {
      def image = docker.build('shop')
      docker.withRegistry('https://r', 'c') {
        image.push()
      }
    }
  }
  parallel(a: { sh 'cargo audit' }, b: { sh 'cargo bench' })
}
",
    )];
    assert_snapshot!(overview(&scripted), @r#"
    Test [trunk branch request schedule] 5:build 5:test 6:keep-report
    Image [trunk schedule] 10:images-built 12:push
    a [trunk branch request schedule] 16:dependencies=cargo-audit
    b [trunk branch request schedule] 16:performance
    "#);
    let plugin = [(
        "Jenkinsfile",
        "buildPlugin(configurations: [[platform: 'linux', jdk: 21]])\n",
    )];
    assert_snapshot!(overview(&plugin), @r#"
    build [trunk branch request] 1:build 1:test 1:keep 1:lint 1:analysis
    "#);
}
